"""Tokens that are bound to a key, at a real AgentOS, on each of its interfaces (RFC 9449)."""

import time
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.agentos.adapter.adapted import AdaptedApp, Apps, AppSettings, running_apps
from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.adapter.surfaces import (
    NO_TLS,
    Presented,
    Reaction,
    Surface,
    everywhere,
)
from tests.agentos.releases import AgnoRelease
from tests.dpop.proving import ProofKey
from tests.rows import rows

OS_URL = "https://os.example/prefix"
"""As its clients know it: a proxy forwards what is below to the AgentOS."""
AGENTS = "/agents"
OTHER_DIGEST = f"sha-256=:{'A' * 43}=:"
KEY = ProofKey()
THIEF = ProofKey()

Headers = dict[str, str]


@pytest.fixture(scope="module")
def apps(adapted_release: AgnoRelease, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    workdir = tmp_path_factory.mktemp(f"dpop-{adapted_release}")
    with FakeIssuer() as issuer:
        where = {"url": OS_URL}
        settings = {
            "accepting": AppSettings("managed", issuer, more=where),
            "requiring": AppSettings("managed", issuer, more={**where, "dpop": "require"}),
            "without a url": AppSettings("managed", issuer),
        }
        with running_apps(adapted_release, workdir, settings) as running:
            yield running


@pytest.fixture
def app(apps: Apps) -> AdaptedApp:
    return apps["accepting"]


def bound(app: AdaptedApp, *scopes: str, key: ProofKey = KEY) -> str:
    token: str = app.issuer.issue(scopes, cnf={"jkt": key.jkt})
    return token


def proof(token: str, method: str, path: str, key: ProofKey = KEY, **changed: Any) -> str:
    url = changed.pop("url", OS_URL + path)
    at = changed.pop("at", time.time())
    return key.proof(at, method, url, **{"token": token, **changed})


def proving(token: str, key: ProofKey = KEY, scheme: str = "DPoP", **changed: Any) -> Presented:
    """With a new proof for each request."""

    def headers(method: str, path: str) -> Headers:
        new = proof(token, method, path, key, **changed)
        return {"Authorization": f"{scheme} {token}", "DPoP": new}

    return Presented(token, headers)


def get(app: AdaptedApp, headers: Any, path: str = AGENTS) -> httpx.Response:
    return httpx.get(app.url + path, headers=headers, timeout=30, **NO_TLS)


def challenge(answer: httpx.Response) -> str:
    assert answer.status_code == httpx.codes.UNAUTHORIZED, answer.text
    (header,) = answer.headers.get_list("www-authenticate")
    return header


@everywhere
def test_a_bound_token_opens_with_its_proof(app: AdaptedApp, surface: Surface) -> None:
    token = bound(app, surface.scope)
    assert surface.attempt(app.url, proving(token)) is Reaction.ACCEPTED


@everywhere
def test_scopes_decide_about_bound_tokens_as_about_others(
    app: AdaptedApp, surface: Surface
) -> None:
    token = bound(app, surface.narrower)
    assert surface.attempt(app.url, proving(token)) is Reaction.FORBIDDEN


@everywhere
def test_a_stolen_token_opens_nothing(app: AdaptedApp, surface: Surface) -> None:
    token = bound(app, surface.scope)
    for stolen in (
        token,
        proving(token, key=THIEF),
        proving(token, scheme="Bearer", key=THIEF),
        Presented(token, lambda *_: {"Authorization": f"DPoP {token}"}),
    ):
        assert surface.attempt(app.url, stolen) is Reaction.REFUSED


@everywhere
def test_a_stolen_token_with_a_stolen_proof_opens_nothing(
    app: AdaptedApp, surface: Surface
) -> None:
    token = bound(app, surface.scope)
    used: list[Headers] = []

    def note(method: str, path: str) -> Headers:
        headers = proving(token).headers(method, path)
        used.append(headers)
        return headers

    assert surface.attempt(app.url, Presented(token, note)) is Reaction.ACCEPTED
    for headers in used:
        replayed = Presented(token, lambda *_, headers=headers: headers)
        assert surface.attempt(app.url, replayed) is Reaction.REFUSED
    other = bound(app, surface.scope, "sessions:read")
    replayed = Presented(other, lambda *_: {**used[0], "Authorization": f"DPoP {other}"})
    assert surface.attempt(app.url, replayed) is Reaction.REFUSED


@everywhere
def test_a_token_that_is_not_bound_is_a_bearer_token(app: AdaptedApp, surface: Surface) -> None:
    token = app.issuer.issue([surface.scope])
    assert surface.attempt(app.url, token) is Reaction.ACCEPTED
    assert surface.attempt(app.url, proving(token)) is Reaction.REFUSED


@everywhere
def test_an_agentos_can_require_bound_tokens(apps: Apps, surface: Surface) -> None:
    app = apps["requiring"]
    assert surface.attempt(app.url, app.issuer.issue([surface.scope])) is Reaction.REFUSED
    assert surface.attempt(app.url, bound(app, surface.scope)) is Reaction.REFUSED
    assert surface.attempt(app.url, proving(bound(app, surface.scope))) is Reaction.ACCEPTED


@everywhere
def test_without_its_url_an_agentos_accepts_no_bound_token(apps: Apps, surface: Surface) -> None:
    app = apps["without a url"]
    token = bound(app, surface.scope)
    assert surface.attempt(app.url, token) is Reaction.REFUSED
    assert surface.attempt(app.url, proving(token)) is Reaction.REFUSED


def at(iat: str) -> dict[str, Any]:
    """A proof with this number as it stands."""
    claims = f'{{"jti":"a","htm":"GET","htu":"{OS_URL}{AGENTS}","iat":{iat}}}'
    return {"payload": claims.encode()}


FAULTY: dict[str, tuple[str, dict[str, Any]]] = {
    "typ": ("typ of", {"header": {"typ": "jwt"}}),
    "alg": ("alg of", {"header": {"alg": "HS256"}}),
    "no alg": ("alg of", {"header": {"alg": "none"}}),
    "an extension": ("extension", {"header": {"crit": ["x"], "x": 1}}),
    "no key": ("jwk of", {"header": {"jwk": None}}),
    "a private key": ("private", {"header": {"jwk": KEY.key.as_dict(private=True)}}),
    "another key": ("signature", {"header": {"jwk": THIEF.key.as_dict(private=False)}}),
    "htm": ("htm of", {"htm": "POST"}),
    "no htm": ("htm of", {"htm": None}),
    "htu": ("htu of", {"htu": f"{OS_URL}/sessions"}),
    "another host": ("htu of", {"htu": f"https://other.example/prefix{AGENTS}"}),
    "the url within the network": ("htu of", {"htu": f"http://127.0.0.1{AGENTS}"}),
    "no htu": ("htu of", {"htu": None}),
    "old": ("iat of", {"iat": int(time.time()) - 400}),
    "of the future": ("iat of", {"iat": int(time.time()) + 1000}),
    "a huge iat": ("iat of", at("1" + "0" * 400)),
    "NaN as iat": ("iat of", at("NaN")),
    "no iat": ("iat of", {"iat": None}),
    "a text as iat": ("iat of", {"iat": "now"}),
    "no jti": ("jti of", {"jti": None}),
    "an empty jti": ("jti of", {"jti": ""}),
    "a long jti": ("jti of", {"jti": "x" * 256}),
    "no ath": ("ath of", {"ath": None}),
    "ath of another token": ("ath of", {"ath": "x" * 43}),
    "the digest of another body": (
        "content_digest of",
        {"content_digest": f"sha-256=:{'A' * 43}=:"},
    ),
    "a digest of another kind": ("content_digest of", {"content_digest": "md5=:AAAA:"}),
    "no JSON": ("JSON", {"payload": b"{"}),
    "no object": ("JSON", {"payload": b"[]"}),
}


@rows(("check", "changed"), FAULTY)
def test_a_proof_that_breaks_a_rule_is_refused(
    app: AdaptedApp, check: str, changed: dict[str, Any]
) -> None:
    """RFC 9449 §4.3 and §7.1."""
    token = bound(app, "agents:read")
    answer = get(app, proving(token, **changed).headers("GET", AGENTS))
    header = challenge(answer)
    assert header.startswith('DPoP error="invalid_dpop_proof", error_description="')
    assert f'resource_metadata="{OS_URL}/.well-known/oauth-protected-resource"' in header
    assert 'algs="ES256 EdDSA Ed25519 PS256 RS256"' in header
    detail = answer.json()["detail"]
    assert detail in header
    assert check.lower() in detail.lower()


@rows("alg", {alg: alg for alg in ("ES256", "EdDSA", "Ed25519", "PS256", "RS256")})
def test_each_algorithm_of_the_issuer_is_accepted(app: AdaptedApp, alg: str) -> None:
    key = ProofKey.new(alg)
    token = bound(app, "agents:read", key=key)
    assert get(app, proving(token, key).headers("GET", AGENTS)).status_code == httpx.codes.OK


@rows(
    "url",
    {
        "port": f"https://os.example:443/prefix{AGENTS}",
        "host": f"HTTPS://OS.example/prefix{AGENTS}",
        "query": f"{OS_URL}{AGENTS}?page=2#top",
        "encoded": f"{OS_URL}/%61gents",
        "dots": f"{OS_URL}/x/..{AGENTS}",
    },
)
def test_urls_are_compared_as_they_are_normalized(app: AdaptedApp, url: str) -> None:
    """RFC 3986 §6.2.2 and §6.2.3."""
    token = bound(app, "agents:read")
    headers = proving(token, url=url).headers("GET", AGENTS)
    assert get(app, headers, f"{AGENTS}?page=1").status_code == httpx.codes.OK


def test_headers_that_are_sent_twice_are_refused(app: AdaptedApp) -> None:
    token = bound(app, "agents:read")
    headers = proving(token).headers("GET", AGENTS)
    another = proof(token, "GET", AGENTS)
    assert "one DPoP header" in challenge(get(app, [*headers.items(), ("DPoP", another)]))
    bearer = ("Authorization", f"Bearer {app.issuer.issue(['agents:read'])}")
    challenge(get(app, [*headers.items(), bearer]))
    challenge(get(app, [bearer, *headers.items()]))


def test_a_refused_token_says_why_and_where_to_get_another(app: AdaptedApp) -> None:
    """RFC 9449 §7.1."""
    token = bound(app, "agents:read")
    for answer in (
        get(app, {"Authorization": f"Bearer {token}"}),
        get(app, proving(bound(app, key=THIEF)).headers("GET", AGENTS)),
        get(app, proving(app.issuer.issue(["agents:read"])).headers("GET", AGENTS)),
        get(app, proving("not-a-token").headers("GET", AGENTS)),
    ):
        header = challenge(answer)
        assert header.startswith('DPoP error="invalid_token"')
        assert 'resource_metadata="https://os.example/prefix/.well-known/' in header
        assert "algs=" in header


def test_a_lacking_scope_is_named_under_the_scheme_of_the_request(app: AdaptedApp) -> None:
    headers = proving(bound(app, "agents:read")).headers("GET", "/sessions")
    answer = get(app, headers, "/sessions")
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert answer.headers["www-authenticate"].startswith('DPoP error="insufficient_scope", scope=')


def test_an_agentos_that_requires_proofs_asks_for_them(apps: Apps) -> None:
    """RFC 9449 §7.2: bearer tokens are not offered."""
    assert challenge(get(apps["requiring"], {})).startswith("DPoP resource_metadata=")
    assert challenge(get(apps["accepting"], {})).startswith("Bearer resource_metadata=")


def test_the_documents_say_whether_proofs_are_needed(apps: Apps) -> None:
    """RFC 9728 §2."""
    for name, is_required in (("accepting", False), ("requiring", True)):
        for path in ("", "/mcp"):
            where = f"/.well-known/oauth-protected-resource{path}"
            document = get(apps[name], {}, where).json()
            assert document["dpop_bound_access_tokens_required"] is is_required
            assert "ES256" in document["dpop_signing_alg_values_supported"]


def test_a_digest_in_a_proof_must_be_that_of_the_body(app: AdaptedApp) -> None:
    """RFC 9530 §2, of a proof as a draft of MCP had it."""
    path, token = "/agents/web/runs", bound(app, "agents:web:run")
    body = b"message=ping&stream=false"
    digest = b64encode(sha256(body).digest()).decode()

    def post(content: bytes, token: str = token) -> int:
        changed = {"content_digest": f"sha-256=:{digest}:"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = proving(token, **changed).headers("POST", path) | form
        url = app.url + path
        return httpx.post(url, headers=headers, content=content, timeout=30, **NO_TLS).status_code

    assert post(body) == httpx.codes.OK
    assert post(body.replace(b"ping", b"pong")) == httpx.codes.UNAUTHORIZED
    assert post(body, bound(app, "agents:web:run", key=THIEF)) == httpx.codes.UNAUTHORIZED
    assert post(body, "not-a-token") == httpx.codes.UNAUTHORIZED
    assert post(b"x" * (5 * 1024 * 1024)) == httpx.codes.UNAUTHORIZED


def test_what_is_open_stays_open(app: AdaptedApp) -> None:
    assert get(app, {}, "/health").status_code == httpx.codes.OK
