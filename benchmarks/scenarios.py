"""The loads by name: which server gets which requests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks import peers
from benchmarks.scripts import FORM, Ask, each_once, in_turn, post, refreshing
from benchmarks.subjects import ALGORITHMS, USERNAMES, Bare, Ours, password_form
from tests.journeys.signing_in import token_request as token_request_with
from tests.oauth.asserting import form_of
from tests.oauth.exchanging import ACCESS_TOKEN, EXCHANGE

TOKEN = "/oauth2/token"
INTROSPECT = "/oauth2/introspect"
JWKS = "/.well-known/jwks.json"
FEED = "/.well-known/revocations"
METADATA = "/.well-known/oauth-authorization-server"
CONNECTIONS, MANY = 16, 64
# By default two run and sixteen may wait, so both workers are always busy. One fewer: a client may
# send its next request before its place is free, and would be refused.
SATURATING = 17
# In one load, whose seconds are few: fewer than a client may use before they expire.
MOST_ASSERTIONS = 8_000
# In one load as well: they expire after a minute.
MOST_CODES = 3_000
MOST_PROOFS = 40_000
# As many as the benchmark of AgentOS sends.
INTROSPECTED = 200

Script = Callable[[Any], str]


@dataclass(frozen=True)
class Scenario:
    """A load on one subject; `beside` is a second load on it at the same time."""

    name: str
    subject: str
    script: Script
    connections: int = CONNECTIONS
    beside: "Scenario | None" = None


def scenarios() -> Iterator[Scenario]:
    """Everything that can be measured here, upper bounds and other servers first."""
    yield Scenario("bare, no signature", "bare nothing", anything)
    for alg in ALGORITHMS:
        for connections in (CONNECTIONS, MANY):
            name = f"bare, {alg}, {connections} connections"
            yield Scenario(name, f"bare {alg}", anything, connections)
    yield from of_peers()
    for alg in ALGORITHMS:
        for connections in (1, CONNECTIONS, MANY):
            name = f"sqlite, {alg}, {connections} connection{'s' if connections > 1 else ''}"
            yield Scenario(name, "sqlite", client_credentials(alg), connections)
        yield Scenario(f"sqlite, {alg}, never the same twice", "sqlite", changing(alg))
    yield Scenario(
        "sqlite, RS256 beside sign-ins",
        "sqlite",
        client_credentials("RS256"),
        beside=Scenario("sqlite, sign-ins beside RS256", "sqlite", signing_in, SATURATING),
    )
    yield Scenario(
        "sqlite, a quiet client, 1 connection",
        "sqlite",
        client_credentials("ES256"),
        1,
        Scenario(
            "sqlite, a noisy client, 64 connections", "sqlite", client_credentials("RS256"), MANY
        ),
    )
    for word, script in OTHERS.items():
        yield Scenario(f"sqlite, {word}", "sqlite", script)
    for alg in ALGORITHMS:
        for connections in (CONNECTIONS, MANY):
            name = f"postgresql, {alg}, {connections} connections"
            yield Scenario(name, "postgresql", client_credentials(alg), connections)
    for word in (
        "refresh",
        "token exchange",
        "authorization code",
        "introspection",
        *ASSERTIONS,
        BOUND,
    ):
        yield Scenario(f"postgresql, {word}", "postgresql", OTHERS[word])
    for kind in ("sqlite", "postgresql"):
        subject = f"{kind}, 2 processes"
        name = f"{subject}, RS256, 64 connections"
        yield Scenario(name, subject, client_credentials("RS256"), MANY)


def of_peers() -> Iterator[Scenario]:
    for peer in peers.installed():
        for load in peer.loads:
            for connections in (CONNECTIONS, MANY):
                name = f"{peer.name}, {load}, {connections} connections"
                yield Scenario(name, peer.subject, at_peer(load), connections)


def anything(subject: Bare) -> str:
    form = {"grant_type": "client_credentials"}
    return in_turn([post(TOKEN, subject.client, **form)])


def at_peer(load: str) -> Script:
    return lambda subject: in_turn([subject.peer.token_request(load)])


def client_credentials(alg: str) -> Script:
    return lambda subject: in_turn([token_request(subject, alg)])


def changing(alg: str) -> Script:
    """The server caches the last request of a client: two different ones are never cached."""
    return lambda subject: in_turn(
        [token_request(subject, alg), token_request(subject, alg, unknown="1")]
    )


def token_request(subject: Ours, alg: str = "RS256", **more: str) -> Ask:
    return post(TOKEN, subject.clients[alg], grant_type="client_credentials", **more)


def private_key_jwt(subject: Ours) -> str:
    form = urlencode(form_of(""))  # ends where the assertion begins
    return each_once(Ask(TOKEN, "POST", FORM, form), subject.assertions(MOST_ASSERTIONS))


def proven(subject: Ours) -> str:
    """To compare with ES256, 16 connections."""
    return each_once(token_request(subject, "ES256"), subject.proofs(MOST_PROOFS), "DPoP")


def trusted_issuer(subject: Ours) -> str:
    form = form_of(subject.pod_token(), client_id="ci-pod")
    return in_turn([Ask(TOKEN, "POST", FORM, urlencode(form))])


def signing_in(subject: Ours) -> str:
    """Different users: of one, a password is hashed at a time."""
    return in_turn([post(TOKEN, subject.front, **password_form(each)) for each in USERNAMES])


def refresh(subject: Ours) -> str:
    return refreshing(TOKEN, subject.front, subject.refresh_tokens(CONNECTIONS + 1))


def token_exchange(subject: Ours) -> str:
    asked = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TOKEN}
    tokens = subject.user_tokens()
    return in_turn([post(TOKEN, subject.agent, subject_token=t, **asked) for t in tokens])


def code(subject: Ours) -> str:
    form = dict(sorted(token_request_with("").items(), reverse=True))  # ends with the code
    return each_once(post(TOKEN, subject.app, **form), subject.codes(MOST_CODES))


def introspection_requests(subject: Ours, number: int) -> list[Ask]:
    """About so many tokens."""
    tokens = subject.active_tokens(number)
    return [post(INTROSPECT, subject.clients["RS256"], token=token) for token in tokens]


def introspection(subject: Ours) -> str:
    return in_turn(introspection_requests(subject, INTROSPECTED))


def document(path: str) -> Script:
    return lambda subject: in_turn([Ask(path)])


def unchanged(path: str) -> Script:
    return lambda subject: in_turn([known(subject, path)])


def known(subject: Ours, path: str) -> Ask:
    return Ask(path, headers={"If-None-Match": subject.etag(path)})


def mixed(subject: Ours) -> str:
    """Of twenty requests: twelve for tokens, three introspections, five polls of documents."""
    news = [known(subject, JWKS), known(subject, FEED), known(subject, FEED)]
    documents = [Ask(METADATA), Ask(JWKS)]
    return in_turn(
        [
            *[token_request(subject)] * 6,
            *news,
            *[token_request(subject, "ES256")] * 6,
            *documents,
            *introspection_requests(subject, 3),
        ]
    )


ASSERTIONS = ("private_key_jwt", "token of a trusted issuer")
BOUND = "bound to a key (DPoP), ES256"
OTHERS: dict[str, Script] = {
    "private_key_jwt": private_key_jwt,
    "token of a trusted issuer": trusted_issuer,
    BOUND: proven,
    "password": signing_in,
    "refresh": refresh,
    "token exchange": token_exchange,
    "authorization code": code,
    "introspection": introspection,
    "JWKS": document(JWKS),
    "JWKS, 304": unchanged(JWKS),
    "feed": document(FEED),
    "feed, 304": unchanged(FEED),
    "metadata": document(METADATA),
    "mixed": mixed,
}
