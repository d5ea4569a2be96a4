"""`/console/trusted-issuers`: others whose tokens authenticate clients, or where people sign in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients.client import CLIENT
from issuer.clients.operations import add_trust
from issuer.clients.trust import Trust
from issuer.composition import UnitOfWork
from issuer.resources import Command
from issuer.resources.resource_type import members_of, options_of
from issuer.roles import ROLE
from issuer.settings import Settings
from issuer.sign_in.operations import LINK_IDENTITY
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields, TrustedIssuerResource
from issuer.trusted_issuers.fields import PEOPLE, WORKLOAD
from issuer.trusted_issuers.people_presets import PROVIDERS
from issuer.trusted_issuers.sign_in import SignInFields
from issuer.users import USER
from issuer.values import lazy_property
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.screens import resource_form as forms
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.keys_of_others import fetched_in_words, followed_keys, given_keys
from issuer.web.console.screens.operator import NeedsSignIn, Operator, is_permitted
from issuer.web.console.screens.resource import Deletion, ResourceScreen, changes_of

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet

MAX_FORM = 256 * 1024  # 20 keys and CA certificates, percent-encoded
SOURCES = ("discovery", "jwks_uri", "jwks")
PURPOSES = {"workload": [WORKLOAD], "people": [PEOPLE], "both": [WORKLOAD, PEOPLE]}
_SIGN_IN = members_of(SignInFields)
_USUAL = {"scopes": "openid\nprofile\nemail", "username_claim": "preferred_username"}
_OF_PEOPLE = {"purpose": "people", "RS256": "yes", **_USUAL}


def _first(name: str) -> dict[str, str]:
    """What the form for a well-known provider has at first, for a person to complete."""
    provider = PROVIDERS[name]
    preset = provider.of(provider.metavar)
    sign_in = SignInFields.model_construct(client_id="", **preset.sign_in)
    typed = forms.as_typed({each: _SIGN_IN[each] for each in preset.sign_in}, sign_in)
    issuer = {} if "{}" in provider.issuer else {"issuer": preset.issuer}
    return {**_OF_PEOPLE, "id": name, **issuer, **typed}


# Of each kind of new trusted issuer, what its form has at first.
KINDS: dict[str, dict[str, str]] = {
    "kubernetes": {"id": "cluster", "source": "jwks", "RS256": "yes"},
    "github": {
        "id": "github",
        "issuer": "https://token.actions.githubusercontent.com",
        "RS256": "yes",
    },
    "gitlab": {"id": "gitlab", "issuer": "https://gitlab.com", "RS256": "yes"},
    "spiffe": {"source": "jwks_uri", "RS256": "yes", "ES256": "yes"},
    "entra": {"id": "entra", "RS256": "yes"},
    "oidc": {"RS256": "yes"},
    **{f"people-{name}": _first(name) for name in PROVIDERS if name != "agentos_issuer"},
    "people": _OF_PEOPLE,
}
_SHOWN = 50  # clients
_NAMED = 5
_COUNTED = 1_000


class TrustedIssuerForm(forms.ResourceForm[TrustedIssuerFields, TrustedIssuerResource]):
    """Has fields of its own for each source of keys, and for how people sign in."""

    LEFT_OUT, WITHIN = {"kinds"}, "sign_in"

    def given(
        self, form: Mapping[str, str], resource: TrustedIssuerResource | None
    ) -> dict[str, Any]:
        kinds = PURPOSES.get(form.get("purpose", ""), PURPOSES[WORKLOAD])
        typed = _with_chosen_role(form)
        now = resource.sign_in if resource else None
        sign_in = (
            forms.given_members(SignInFields, _SIGN_IN, typed, now) if PEOPLE in kinds else None
        )
        members = {"keys": _typed_keys(form), "kinds": kinds, "sign_in": sign_in}
        return {**super().given(form, resource), **members}

    def typed(self, resource: TrustedIssuerResource) -> dict[str, str]:
        (source,) = resource.keys
        sign_in = resource.sign_in
        return {
            **super().typed(resource),
            "source": source,
            "jwks_uri": resource.keys.get("jwks_uri", ""),
            "jwks": forms.json_text(resource.keys.get("jwks")),
            "purpose": next(n for n, each in PURPOSES.items() if {*each} == {*resource.kinds}),
            **(forms.as_typed(_SIGN_IN, sign_in) if sign_in else _USUAL),
        }

    def choices(self, settings: Settings) -> Mapping[str, Sequence[Any]]:
        fields = SignInFields.model_fields
        sign_in = [(name, each, fields[name].is_required()) for name, each in _SIGN_IN.items()]
        return {"algorithms": tuple(TokenAlgorithm), "sign_in": sign_in}

    def options(self, given: Mapping[str, Any]) -> list[str]:
        options = super().options(given) + options_of(_SIGN_IN, given.get("sign_in") or {})
        for source, value in (given.get("keys") or {}).items():
            options.append(f"--{source.replace('_', '-')}")
            if source != "discovery":
                options.append(json.dumps(value) if source == "jwks" else value)
        return options


FORM = TrustedIssuerForm(TRUSTED_ISSUER)


def _with_chosen_role(form: Mapping[str, str]) -> Mapping[str, str]:
    """`form` with the role that was chosen for one more group, as it would be typed."""
    chosen = [form.get(name, "").strip() for name in ("group", "role", "audience")]
    if not any(chosen):
        return form
    group, role, audience = chosen
    return {**form, "roles": f"{form.get('roles', '')}\n{group}={role}@{audience}"}


def _to_choose(operator: Operator) -> dict[str, Any]:
    """The roles and audiences that the form offers for one more group."""
    with operator.administration.reading(operator.actor, operator.held) as work:
        known = {each.plural: forms.some_keys(operator, work, each) for each in (ROLE, AUDIENCE)}
    return {"known": known}


def _typed_keys(form: Mapping[str, str]) -> object:
    match form.get("source", SOURCES[0]):
        case "discovery":
            return {"discovery": True}
        case "jwks_uri":
            return {"jwks_uri": form.get("jwks_uri", "").strip()}
    return {"jwks": forms.read_json("jwks", form.get("jwks", ""))}


class TrustedIssuersScreen(CollectionScreen):
    FORM = FORM
    KINDS = KINDS
    MAX_FORM = MAX_FORM

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        return _to_choose(self.operator)


class OneTrustedIssuerScreen(ResourceScreen):
    FORM = FORM
    ACTIONS = {
        **changes_of(TRUSTED_ISSUER),
        "fetch-keys": lambda screen: screen.finished(fetched_in_words(screen.form, screen.key_set)),
    }
    SIGN_IN = {"fetch-keys": NeedsSignIn.NEVER}
    MAX_FORM = MAX_FORM

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        return _to_choose(self.operator)

    def what_disabling_ends(self) -> str:
        if self.resource.sign_in is not None:
            return (
                "People cannot sign in there any more. Sessions that began there end, and access"
                " tokens of these people are refused within seconds. It can be enabled again."
            )
        return (
            "Within a second none of its tokens authenticates a client any more. Tokens that were"
            " issued before stay valid until they expire. It can be enabled again."
        )

    @lazy_property
    def is_protected(self) -> bool:
        """Whether a client with rights at the issuer itself relies on it."""
        key = self.key  # read before: one connection at a time
        with self.operator.work(TRUSTED_ISSUER.read) as work:
            return not is_permitted(work.trusted_issuers.authorize_change, key)

    @property
    def key_set(self) -> "FollowedKeySet | None":
        return self.parts.administration.client_assertions.key_set_of_issuer(self.key)

    def page(self, **shown: Any) -> Response:
        """`clients` trust it, of which `most` are shown; None without the scope to read clients.

        `people` have an account there: id, name, `sub` and last sign-in; None without the scope to
        read users.
        """
        clients, people = None, None
        if self.operator.holds(CLIENT.read):
            with self.operator.work(TRUSTED_ISSUER.read) as work:
                clients = work.trusted_issuers.clients_of(self.key, _SHOWN + 1)
        if self.resource.sign_in is not None and self.operator.holds(USER.read):
            with self.operator.work(USER.read) as work:
                people = work.trusted_issuers.people_of(self.key, _SHOWN + 1)
        record, keys = self.parts.directory.trusted_issuer(self.key), self.resource.keys
        secret = record.sign_in.sealed_secret if record and record.sign_in else None
        return super().page(
            has_secret=secret is not None,
            redirect_uri=f"{self.parts.settings.url}/sign-in/callback/{self.key}",
            people=people,
            to_link=LINK_IDENTITY.command("USER", {"issuer": self.key, "subject": "SUB"}),
            to_trust=add_trust("ci-bot", Trust(issuer=self.key, subject="SUBJECT")),
            keys=given_keys(keys["jwks"]) if "jwks" in keys else followed_keys(self.key_set),
            clients=clients,
            most=_SHOWN,
            **shown,
        )

    def update_command(self, fields: TrustedIssuerFields) -> Command:
        """A source of keys is replaced as a whole. No command changes the `iss`."""
        patch = self.patch(fields)
        given = {**patch, "keys": fields.keys} if "keys" in patch else patch
        command = self.TYPE.update_command(self.key, patch, self.FORM.options(given))
        return replace(command, words=()) if "issuer" in patch else command

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        ends = "Tokens that were issued before stay valid until they expire. This cannot be undone."
        return Deletion(f"{self._loses(work)} {ends}", cascade=True)

    def _loses(self, work: UnitOfWork) -> str:
        clients = self._clients_lose(work)
        if self.resource.sign_in is None:
            return clients
        number = len(work.trusted_issuers.people_of(self.key, _COUNTED))
        if not number:
            return f"{clients} Nobody signs in there yet."
        some = f"at least {number:,}" if number == _COUNTED else f"{number:,}"
        return f"{clients} Accounts of {some} users there are unlinked, and their sessions end."

    def _clients_lose(self, work: UnitOfWork) -> str:
        if not self.operator.holds(CLIENT.read):
            return "Clients that trust it can no longer authenticate by its tokens."
        clients = work.trusted_issuers.clients_of(self.key, _NAMED + 1)
        if not clients:
            return "No client trusts it."
        more = " and others" if len(clients) > _NAMED else ""
        return f"{', '.join(clients[:_NAMED])}{more} can no longer authenticate by its tokens."
