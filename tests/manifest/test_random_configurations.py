"""From any configuration to any other; the sentences about rights are true."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.algorithms import AlgorithmInUse
from issuer.audiences import Audience
from issuer.composition import Composition, compose
from issuer.directory import AudienceRecord
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.manifest.exporting import write_yaml
from issuer.scopes import covers
from tests.builders import OPERATOR, URL, FakeClock, initialised, settings_for
from tests.databases import copied
from tests.manifest.declaring import declare, exported, planned

Configuration = dict[str, list[dict[str, Any]]]
Rights = dict[tuple[str, str], frozenset[str]]

ADMIN = {"client_id": "issuer-admin", "scopes": ["issuer:admin"], "audiences": [URL]}
NOTHING: Configuration = {
    "audiences": [],
    "trusted_issuers": [],
    "roles": [],
    "clients": [ADMIN],
    "users": [],
    "groups": [],
}
AUDIENCES = ["my-os", "prod/os", "Prod/os", "https://os.example"]
ROLES = ["runner", "Runner", "admins", "yes"]
IDS = ["a", "A", "ci-bot", "CI-Bot", "usr_1", "0123", "x:y|z"]
USERNAMES = ["alice", "Alice", "ALIC\u00c9", "bob", "BOB", "straße", "STRASSE", "~", "1.0"]
GROUPS = ["Platform", "On call", "~"]
SCOPES = ["agents:run", "agents:*:run", "agents:web:run", "teams:read", "agent_os:admin", "own"]
SCOPES += ["issuer:keys:read", "issuer:keys:write"]

CLAIMS = st.dictionaries(
    st.sampled_from(["a", "b", "yes", "", "é"]),
    st.recursive(
        st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 1e22, -0.5, "1", "on", "a\nb"]),
        lambda inside: (
            st.lists(inside, max_size=2)
            | st.dictionaries(st.sampled_from(["a", "n"]), inside, max_size=2)
        ),
        max_leaves=4,
    ),
    max_size=2,
)
LABELS = st.sampled_from(["", "A label", "no", "0x1f", "Zoë: #1", "\u202e"])


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=3) if values else st.just([])


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of them may be left out."""
    return st.fixed_dictionaries({}, optional=strategies)


@st.composite
def configurations(draw: st.DrawFn, *, users_have_ids: bool) -> Configuration:
    """A configuration in which names are unique and references exist."""
    audiences = draw(st.lists(st.sampled_from(AUDIENCES), unique=True, max_size=3))
    roles = draw(st.lists(st.sampled_from(ROLES), unique=True, max_size=3))
    assigned_roles = st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(roles)},
            optional={"audience": st.sampled_from([*audiences, URL, None])},
        ),
        max_size=3,
    )
    common = {
        "name": LABELS,
        "claims": CLAIMS,
        "disabled": st.booleans(),
        "roles": assigned_roles if roles else st.just([]),
    }
    lifetimes = st.sampled_from([None, 60, 86_400])
    clients = members(
        **common,
        scopes=some(SCOPES),
        audiences=some([*audiences, URL]),
        access_token_ttl=lifetimes,
        grant_types=some(["client_credentials", "password"]),
        may_set_session=st.booleans(),
    )
    users = members(**common, email=st.sampled_from([None, "a@b"]))
    ids = draw(st.lists(st.sampled_from(IDS), unique_by=fold_id, max_size=5))
    cut = draw(st.integers(0, len(ids)))
    usernames = draw(st.lists(st.sampled_from(USERNAMES), unique_by=fold_username, max_size=4))
    named = usernames[: len(ids) - cut] if users_have_ids else usernames
    groups = members(description=LABELS, roles=assigned_roles if roles else st.just([]))
    return {
        "audiences": [
            {"id": each, **draw(members(name=LABELS, access_token_ttl=lifetimes))}
            for each in audiences
        ],
        "trusted_issuers": [],
        "roles": [
            {"name": each, **draw(members(description=LABELS, scopes=some(SCOPES)))}
            for each in roles
        ],
        "clients": [ADMIN, *({"client_id": each, **draw(clients)} for each in ids[:cut])],
        "users": [
            {"id": user_id, "username": username, **draw(users)}
            for user_id, username in zip(ids[cut:], usernames, strict=False)
        ]
        if users_have_ids
        else [{"username": username, **draw(users)} for username in usernames],
        "groups": [
            {"name": each, "members": draw(some(named)), **draw(groups)}
            for each in draw(st.lists(st.sampled_from(GROUPS), unique=True, max_size=2))
        ],
    }


# Either all users have ids or none: otherwise a user may keep an id that the file uses.
PAIRS = st.booleans().flatmap(
    lambda have: st.tuples(configurations(users_have_ids=have), configurations(users_have_ids=have))
)


@pytest.fixture(scope="module")
def two(
    migrated_sqlite: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Composition, Composition]]:
    """Two issuers. Existing resources are pruned."""
    folder = tmp_path_factory.mktemp("two")

    with ExitStack() as held:

        def new(name: str) -> Composition:
            url = held.enter_context(copied(migrated_sqlite, folder))
            settings, clock = settings_for(folder / name, url), FakeClock()
            initialised(settings, clock)
            services = compose(settings, clock)
            held.callback(services.database.dispose)
            return services

        yield new("one"), new("other")


EXAMPLES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@EXAMPLES
@given(pair=PAIRS)
def test_any_configuration_can_become_any_other(
    two: tuple[Composition, Composition], pair: tuple[Configuration, Configuration]
):
    one, other = two
    for configuration in (NOTHING, *pair):
        wanted = write_yaml(configuration)
        declare(one, wanted, prune=True)
        assert not planned(one, wanted, prune=True)
        text = exported(one)
        said = yaml.safe_load(text)
        assert as_sets(said) == as_sets(configuration)
        assert {each.get("id") for each in configuration["users"]} - {None} <= {
            each["id"] for each in said["users"]
        }
        declare(other, text, prune=True)
        assert exported(other) == text
        assert not planned(other, text, prune=True)


@pytest.mark.slow
@EXAMPLES
@given(pair=PAIRS)
def test_the_rights_of_a_plan_are_those_of_the_directory_after_it(
    two: tuple[Composition, Composition], pair: tuple[Configuration, Configuration]
):
    one, _ = two
    for configuration in (NOTHING, *pair):
        wanted = write_yaml(configuration)
        shifts = planned(one, wanted, prune=True).shifts
        before = rights(one)
        made = declare(one, wanted, prune=True).user_ids
        after = rights(one)
        said = {
            (each.principal.id or made[each.principal.name], each.audience): each for each in shifts
        }
        for key in before.keys() | after.keys() | said.keys():
            gains, losses = uncovered(after, before, key), uncovered(before, after, key)
            shift = said.get(key)
            assert (shift is not None) is bool(gains or losses)
            assert shift is None or (shift.gains, shift.losses) == (gains, losses)


def uncovered(these: Rights, those: Rights, key: tuple[str, str]) -> tuple[str, ...]:
    """Scopes of `these` that `those` do not cover."""
    others = those.get(key, frozenset())
    return tuple(sorted(each for each in these.get(key, ()) if not covers(others, each)))


def rights(services: Composition) -> Rights:
    """The scopes of every enabled client and user at each audience, as in a token."""
    with services.administration.reading(OPERATOR) as work:
        clients = [each.client_id for each in work.clients.page(None, 100)]
        users = [each.id for each in work.users.page(None, 100)]
        audiences = [record(each) for each in work.audiences.page(None, 100)]
    held: Rights = {}
    for client in map(services.tokens.directory.load_client, clients):
        for audience in client.audiences.values():
            held[client.client_id, audience.id] = client.rights.at(audience)
        if client.disabled:
            held |= {key: frozenset() for key in held if key[0] == client.client_id}
    for user in map(services.tokens.directory.load_user, users):
        for audience in audiences:
            held[user.id, audience.id] = frozenset() if user.disabled else user.rights.at(audience)
    return held


def record(audience: Audience) -> AudienceRecord:
    return AudienceRecord(
        audience.id, AlgorithmInUse(audience.signing_alg), None, False, audience.id == URL
    )


def as_sets(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """A configuration without order, defaults, generated ids and the issuer's own audience."""
    said = {}
    for section, entries in configuration.items():
        said[section] = {name_of(section, entry): members_of(section, entry) for entry in entries}
    said["audiences"].pop(URL, None)
    return said


def name_of(section: str, entry: dict[str, Any]) -> str:
    """`name` is a label but for roles and groups, `id` may be generated for users and groups."""
    names = ("name",) if section == "groups" else ("username", "client_id", "id", "name")
    return next(entry[each] for each in names if each in entry)


def members_of(section: str, entry: dict[str, Any]) -> dict[str, Any]:
    default = {"grant_types": ["client_credentials"]} if section == "clients" else {}
    unsaid = {"users": {"id"}, "groups": {"id"}, "audiences": {"signing_alg"}}.get(section, set())
    return {
        name: as_set(value)
        for name, value in {**default, **entry}.items()
        if name not in unsaid and (value or name == "grant_types")
    }


def as_set(value: object) -> object:
    if isinstance(value, list):
        return {
            (each["role"], each.get("audience")) if isinstance(each, dict) else each
            for each in value
        }
    return json.dumps(value, sort_keys=True)  # 1, 1.0 and true are three values
