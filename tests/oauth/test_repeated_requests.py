"""A repeated request is answered from a cache, and gets what it would get without the cache."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.audit import Actor
from issuer.oauth import IssuerAuthorizationServer
from issuer.oauth.client_authentication import METHODS, presented_client
from issuer.oauth.messages import AuthenticatedRequest, ReceivedForm, parse_form
from issuer.oauth.token_endpoint import GrantedCache
from issuer.roles import Assignment
from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.refreshing import events

ROLE = "runner"


@pytest.fixture
def client(deployment: Deployment) -> Credentials:
    """A client that uses every feature of a token."""
    deployment.role(ROLE, ["agents:run"])
    return deployment.client(
        "ci-bot",
        roles=[ROLE],
        scopes=["agents:read"],
        grant_types=["client_credentials", "password"],
        claims={"tenant": "acme"},
    )


def edit(**members: Any) -> Callable[[Deployment], None]:
    def change(deployment: Deployment) -> None:
        with deployment.changing() as work:
            work.clients.update("ci-bot", members)

    return change


def edit_audience(**members: Any) -> Callable[[Deployment], None]:
    def change(deployment: Deployment) -> None:
        with deployment.changing() as work:
            work.audiences.update("my-os", members)

    return change


def edit_role(*scopes: str) -> Callable[[Deployment], None]:
    def change(deployment: Deployment) -> None:
        with deployment.changing() as work:
            work.roles.update(ROLE, {"scopes": list(scopes)})

    return change


def unassign_role(deployment: Deployment) -> None:
    with deployment.changing() as work:
        for each in work.assignments.of("ci-bot"):
            work.assignments.unassign("ci-bot", each)


def assign_role(deployment: Deployment) -> None:
    with deployment.changing() as work:
        if not work.assignments.of("ci-bot"):
            work.assignments.assign("ci-bot", Assignment(role=ROLE))


def revoke_client(deployment: Deployment) -> None:
    with deployment.changing() as work:
        work.revocations.revoke_client("ci-bot")


CHANGES: dict[str, Callable[[Deployment], None]] = {
    "nothing": lambda deployment: None,
    "a second passes": lambda deployment: deployment.wait(timedelta(seconds=1)),
    "a month passes": lambda deployment: deployment.wait(timedelta(days=31)),
    "disabled": edit(disabled=True),
    "enabled": edit(disabled=False),
    "fewer scopes": edit(scopes=[]),
    "more scopes": edit(scopes=["agents:read", "agents:write"]),
    "other claims": edit(claims={"tenant": "other"}),
    "another lifetime": edit(access_token_ttl=60),
    "no such grant": edit(grant_types=["password"]),
    "that grant": edit(grant_types=["client_credentials"]),
    "no audience": edit(audiences=[]),
    "the audience": edit(audiences=["my-os"]),
    "an empty role": edit_role(),
    "a larger role": edit_role("agents:run", "teams:run"),
    "without the role": unassign_role,
    "with the role": assign_role,
    "roles in tokens": edit_audience(include_roles=True),
    "a lifetime of the audience": edit_audience(access_token_ttl=120),
    "revoked": revoke_client,
}


def stable_parts(answer: TokenAnswer, token_endpoint: TokenDriver) -> object:
    """The parts of a response that are the same for the same request."""
    if answer.status != 200:
        return answer.status, answer.body
    claims = {**token_endpoint.claims(answer), "jti": "…", "iat": "…", "exp": "…"}
    return claims, {**answer.body, "access_token": "…"}


def as_new(client: Credentials, token_endpoint: TokenDriver) -> TokenAnswer:
    """The same request in other bytes, which is not cached."""
    return token_endpoint.client_credentials(client, unknown_to_us="1")


def test_each_repeated_request_gets_a_new_audited_token(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot", scopes=["agents:run"])
    answers = [token_endpoint.client_credentials(client) for _ in range(3)]
    claims = [token_endpoint.claims(answer) for answer in answers]
    assert len({each["jti"] for each in claims}) == 3
    recorded = events(deployment, "token.issued")
    assert [each.details["jti"] for each in recorded] == [each["jti"] for each in claims]
    assert len({each.request_id for each in recorded}) == 3


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_a_change_a_repeated_request_gets_what_a_new_one_gets(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    client: Credentials,
    change: Callable[[Deployment], None],
):
    for _ in range(2):
        assert token_endpoint.client_credentials(client).status == 200
    change(deployment)
    again = token_endpoint.client_credentials(client)
    assert stable_parts(again, token_endpoint) == stable_parts(
        as_new(client, token_endpoint), token_endpoint
    )


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(st.sampled_from(list(CHANGES)), min_size=2, max_size=10))
def test_after_any_changes_a_repeated_request_gets_what_a_new_one_gets(
    deployment: Deployment, token_endpoint: TokenDriver, client: Credentials, changes: list[str]
):
    """All examples share one deployment: each starts where the previous one ended."""
    for change in changes:
        CHANGES[change](deployment)
        again = token_endpoint.client_credentials(client)
        assert stable_parts(again, token_endpoint) == stable_parts(
            as_new(client, token_endpoint), token_endpoint
        )


def test_a_repeated_request_needs_the_secret_each_time(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client, other = deployment.client(), deployment.client()
    for each in (client, other):
        assert token_endpoint.client_credentials(each).status == 200
    for wrong in (other.client_secret, client.client_secret[:-1], client.client_secret.upper(), ""):
        answer = token_endpoint.client_credentials(Credentials(client.client_id, wrong))
        assert answer.error == "invalid_client"


def test_a_repeated_request_with_an_expired_secret_is_refused(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    short = deployment.secret(
        client, expires_at=(deployment.clock() + timedelta(hours=1)).isoformat()
    )
    assert token_endpoint.client_credentials(short).status == 200
    deployment.wait(timedelta(hours=1))
    assert token_endpoint.client_credentials(short).error == "invalid_client"
    assert token_endpoint.client_credentials(client).status == 200


def test_requests_with_the_secret_in_the_form_are_cached_too(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    form = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    }
    assert [token_endpoint.post(data=form).status for _ in range(2)] == [200, 200]
    answer = token_endpoint.post(data=form, auth=(client.client_id, client.client_secret))
    assert answer.error == "invalid_request"  # by two methods at once


def test_a_password_is_checked_each_time(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client(grant_types=["password"])
    user = deployment.user("alice")
    assert token_endpoint.password(client, "alice").status == 200
    with deployment.changing() as work:
        work.users.update(user, {"disabled": True})
    assert token_endpoint.password(client, "alice").error == "invalid_grant"


@pytest.mark.parametrize("more_settings", [{"rate_limit_requests": "3/minute"}])
def test_every_repeated_request_counts_for_the_rate_limit(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    answers = [token_endpoint.client_credentials(client).status for _ in range(4)]
    assert answers == [200, 200, 200, 429]


class CachingRequests:
    """The cache with the steps that fill it, without a server."""

    def __init__(self, deployment: Deployment, max_entries: int) -> None:
        self._services = deployment.services
        self._server = IssuerAuthorizationServer(deployment.services.protocol)
        self._cache = GrantedCache(deployment.services.tokens.directory, max_entries)

    def authorize(self, form: ReceivedForm) -> None:
        parsed = parse_form(form)
        presented = presented_client(parsed, METHODS)
        client = self._services.tokens.client_authentication.from_database(
            presented.client_id, presented.secret, self._services.clock(), is_last=True
        )
        request = AuthenticatedRequest(parsed, client.record, client.secret)
        self._cache.add(self._cache.fingerprint(form), self._server.authorize(request))

    def has(self, form: ReceivedForm) -> bool:
        return self._cache.find(self._cache.fingerprint(form), self._services.clock()) is not None


def form(client: Credentials, *, more: str = "") -> ReceivedForm:
    basic = f"{client.client_id}:{client.client_secret}".encode()
    return ReceivedForm(
        [(b"authorization", b"Basic " + base64.b64encode(basic))],
        f"grant_type=client_credentials{more}".encode(),
        Actor(),
    )


def test_the_last_request_of_a_client_is_cached(deployment: Deployment):
    remembering, client, other = (
        CachingRequests(deployment, 10),
        deployment.client(),
        deployment.client(),
    )
    for each in (form(other), form(client), form(client, more="&scope=")):
        remembering.authorize(each)
    known = [form(other), form(client), form(client, more="&scope=")]
    assert [remembering.has(each) for each in known] == [True, False, True]


def test_a_long_request_is_not_cached(deployment: Deployment):
    remembering, client = CachingRequests(deployment, 10), deployment.client()
    long = form(client, more="&x=" + "x" * 1_000)
    remembering.authorize(long)
    assert not remembering.has(long)


def test_the_cache_is_bounded(deployment: Deployment):
    remembering, forms = (
        CachingRequests(deployment, 3),
        [form(deployment.client()) for _ in range(4)],
    )
    for each in forms:
        remembering.authorize(each)
    assert [remembering.has(each) for each in forms] == [False, False, False, True]
