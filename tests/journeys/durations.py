"""How long refusals take, and whether that distinguishes one kind from another."""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from sqlalchemy import update

from issuer.database.tables import ClientSecretRow
from issuer.users.attempts import Counted, Tries
from issuer.users.attempts_store import Attempt, AttemptStore
from tests.builders import PASSWORD, Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.asserting import AssertingClient, ask, with_keys
from tests.oauth.exchanging import SCOPES, actors, exchange
from tests.web.browsing import PageSeen

# A lock lasts as long as the measurement.
SETTINGS = {"sign_in_lock": "1d", "rate_limit_failures": "off"}
ELSEWHERE = "192.0.2.1"
REFUSED = {"invalid_client", "invalid_grant", "invalid_request"}

Ask = Callable[[TokenDriver], TokenAnswer]
SignInWith = Callable[[str, str], Ask]


def refused_clients(deployment: Deployment, requests: int) -> dict[str, Ask]:
    """Kinds of `invalid_client`."""
    known, disabled = deployment.client(), deployment.client(disabled=True)
    roles = [deployment.role(f"role-{number}", [f"r{number}:read"]) for number in range(20)]
    rich = deployment.client(roles=roles)  # a lookup that costs more
    for _ in range(9):
        deployment.secret(rich)
    never_asked = iter([deployment.client() for _ in range(requests)])
    return {
        "unknown client": with_secret(Credentials("nobody", ""), "wrong"),
        "wrong secret": with_secret(known, "wrong"),
        "wrong secret, client not in memory": lambda endpoint: endpoint.client_credentials(
            Credentials(next(never_asked).client_id, "wrong")
        ),
        "wrong secret, many roles and secrets": with_secret(rich, "wrong"),
        "expired secret": with_secret(known, expired_secret(deployment, known)),
        "disabled client, right secret": with_secret(disabled, disabled.client_secret),
        "disabled client, wrong secret": with_secret(disabled, "wrong"),
        **_refused_assertions(deployment),
    }


def expired_secret(deployment: Deployment, client: Credentials) -> str:
    """One more secret of the client, which expired long ago."""
    secret = deployment.secret(client, label="expired").client_secret
    with deployment.services.database.transaction() as session:
        rows = update(ClientSecretRow).where(ClientSecretRow.label == "expired")
        session.execute(rows.values(expires_at=datetime(2026, 1, 1, tzinfo=UTC)))
    return secret


def _refused_assertions(deployment: Deployment) -> dict[str, Ask]:
    url = deployment.services.settings.url
    known, unknown = (AssertingClient.new(name, issuer=url) for name in ("signing", "unknown"))
    with_keys(deployment, known)
    other = AssertingClient.new(known.client_id, issuer=url)

    def asked(client: AssertingClient, **changed: str) -> Ask:
        return lambda endpoint: ask(endpoint, client.assertion(time.time(), **changed))

    return {
        "assertion of an unknown client": asked(unknown),
        "assertion with a wrong signature": asked(other),
        "assertion for another audience": asked(known, aud="https://other.example"),
        "no assertion": lambda endpoint: ask(endpoint, "a.b.c"),
    }


def by_password_grant(deployment: Deployment) -> SignInWith:
    client = deployment.client(grant_types=["password"])
    return lambda username, password: lambda endpoint: endpoint.password(client, username, password)


def by_page(deployment: Deployment) -> SignInWith:
    """By the form of `/sign-in`, as one browser sends it again and again."""
    form = PageSeen(deployment.http.get("/sign-in")).form("/sign-in").fields

    def sign_in(username: str, password: str) -> Ask:
        typed = {**form, "username": username, "password": password}
        return lambda endpoint: PageAnswer(endpoint.http.post("/sign-in", data=typed))

    return sign_in


class PageAnswer(TokenAnswer):
    """An answer of the sign-in page, which says the same for every kind."""

    @property
    def error(self) -> str | None:
        is_refused = "Wrong user name or password." in self.response.text
        return "invalid_grant" if is_refused else None

    @property
    def body(self) -> dict[str, str]:
        return {"page": self.response.text}


def refused_users(
    deployment: Deployment, way: Callable[[Deployment], SignInWith] = by_password_grant
) -> dict[str, Ask]:
    """Kinds of `invalid_grant`."""
    sign_in = way(deployment)
    roles = [deployment.role(f"user-role-{number}", [f"u{number}:read"]) for number in range(20)]
    deployment.user("known", roles=roles)
    deployment.user("disabled", disabled=True)
    deployment.user("no-password", password=None)
    lock(
        deployment,
        deployment.services.sign_in.guard.begin(deployment.user("locked"), "locked", ELSEWHERE),
    )
    lock(deployment, deployment.services.sign_in.guard.begin(None, "locked-nobody", ELSEWHERE))

    return {
        "unknown user": sign_in("nobody", PASSWORD),
        "wrong password": sign_in("known", "wrong"),
        "disabled user, right password": sign_in("disabled", PASSWORD),
        "disabled user, wrong password": sign_in("disabled", "wrong"),
        "user without a password": sign_in("no-password", PASSWORD),
        "locked user, right password": sign_in("locked", PASSWORD),
        "locked user, wrong password": sign_in("locked", "wrong"),
        "locked name without a user": sign_in("locked-nobody", PASSWORD),
    }


def refused_subject_tokens(deployment: Deployment, endpoint: TokenDriver) -> dict[str, Ask]:
    """Subject tokens of an exchange that cannot be used."""
    acting = actors(deployment, endpoint)
    valid, revoked = acting.sign_in().token, acting.sign_in().token
    service = deployment.client("service", scopes=SCOPES)
    gone = deployment.user("gone", roles=["runner"])
    of_gone = endpoint.password(acting.app, "gone").token
    with deployment.changing() as work:
        work.token_revocations.revoke(revoked)
        work.users.delete(gone)
    tokens = {
        "no token": "x",
        "wrong signature": valid[:-8] + "AAAAAAAA",
        "a client's own": endpoint.client_credentials(service).token,
        "revoked": revoked,
        "of a deleted user": of_gone,
        "with three actors": acting.chain(valid)[-1],
    }

    def asked(token: str) -> Ask:
        return lambda endpoint: exchange(endpoint, acting.agent, token)

    return {kind: asked(token) for kind, token in tokens.items()}


def lock(deployment: Deployment, attempt: Attempt) -> None:
    """Lock the name, as after too many wrong guesses."""
    now = deployment.services.clock()
    tries = Tries(deployment.services.settings.sign_in_failures, 0, now, now)
    with deployment.services.database.transaction() as session:
        AttemptStore(session).keep(attempt, {Counted.USER: tries})


def with_secret(client: Credentials, secret: str) -> Ask:
    credentials = Credentials(client.client_id, secret)
    return lambda endpoint: endpoint.client_credentials(credentials)


def measured(endpoint: TokenDriver, kinds: dict[str, Ask], times: int) -> dict[str, list[float]]:
    """Milliseconds of `times` requests of each kind, in random order."""
    order = [kind for kind in kinds for _ in range(times)]
    Random(1).shuffle(order)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind in order:
        started = time.perf_counter()
        answer = kinds[kind](endpoint)
        taken[kind].append(1000 * (time.perf_counter() - started))
        assert answer.error in REFUSED, answer.body
    return taken


def slower(taken: list[float], first: list[float]) -> float:
    """How often one of `taken` is longer than one of `first`; ties count half."""
    ordered = sorted(first)
    above = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in taken)
    return above / (2 * len(taken) * len(first))
