"""Tokens that are bound to a key of the client, and a proof in each request (RFC 9449)."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from issuer.agentos.dpop import RequestProof, read_proof, token_hash
from issuer.client import PrivateKey, TokenClient, TokenUnavailable
from issuer.client.agno import mcp_headers
from tests.client.conftest import ISSUER, TOKEN, ScriptedIssuer, answer, settled
from tests.client.test_bearer import AsyncCaller, Caller, SyncCaller
from tests.rows import rows

OS = "https://os.example"
NOW = 1_900_000_000.0

New = Callable[..., TokenClient]


@dataclass
class ProvingIssuer(ScriptedIssuer):
    """Checks the proof of each token request, and with `nonce` asks for it."""

    nonce: str | None = None
    proofs: list[RequestProof] = field(default_factory=list)

    def issue(self) -> httpx.Response:
        request = self.requests[-1]
        proof, nonce = read(request, ISSUER + TOKEN)
        if self.nonce is not None and nonce != self.nonce:
            body = {"error": "use_dpop_nonce"}
            return httpx.Response(400, json=body, headers={"DPoP-Nonce": self.nonce})
        self.proofs.append(proof)
        self.issued += 1
        return answer(f"token-{self.issued}", token_type="DPoP", expires_in=self.lifetime)


@dataclass
class ProvingService:
    """Checks the proof of each request, and with `nonce` asks for it."""

    nonce: str | None = None
    refused: set[str] = field(default_factory=set)
    seen: list[tuple[str, RequestProof]] = field(default_factory=list)
    requests: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        scheme, _, token = request.headers["Authorization"].partition(" ")
        assert scheme == "DPoP"
        proof, nonce = read(request, str(request.url))
        assert proof.is_for(token)
        if self.nonce is not None and nonce != self.nonce:
            headers = {"DPoP-Nonce": self.nonce, "WWW-Authenticate": 'DPoP error="use_dpop_nonce"'}
            return httpx.Response(401, headers=headers)
        self.seen.append((token, proof))
        return httpx.Response(401 if token in self.refused else 200, text="body")


def read(request: httpx.Request, url: str) -> tuple[RequestProof, Any]:
    encoded = request.headers["DPoP"].encode()
    proof = read_proof(encoded, request.method, url, NOW)
    payload = encoded.split(b".")[1]
    return proof, json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))).get("nonce")


@pytest.fixture
def issuer() -> ProvingIssuer:
    return ProvingIssuer()


@pytest.fixture
def service() -> ProvingService:
    return ProvingService()


@pytest.fixture
def client(new_client: New) -> TokenClient:
    return new_client(dpop=True, wall_clock=lambda: NOW)


@pytest.fixture(params=[SyncCaller, AsyncCaller])
def call(request: pytest.FixtureRequest, service: Any, client: TokenClient) -> Caller:
    caller: Caller = request.param(service, client.auth())
    return caller


def pem(key: Any) -> str:
    private = serialization.PrivateFormat.PKCS8
    encoding, encryption = serialization.Encoding.PEM, serialization.NoEncryption()
    text: bytes = key.private_bytes(encoding, private, encryption)
    return text.decode()


def test_each_request_has_a_proof_of_its_own(
    call: Caller, service: ProvingService, issuer: ProvingIssuer
):
    for method, url in (("GET", f"{OS}/agents?page=2"), ("POST", f"{OS}/agents/web/runs")):
        assert call(method, url).status_code == httpx.codes.OK
    (token, first), (again, second) = service.seen
    assert token == again == "token-1"
    assert first.jti != second.jti
    assert {first.jkt, second.jkt} == {issuer.proofs[0].jkt}
    assert first.ath == token_hash(token)


def test_a_nonce_is_sent_once_it_was_asked_for(
    call: Caller, service: ProvingService, issuer: ProvingIssuer
):
    """RFC 9449 §8 and §9; each origin has its own."""
    issuer.nonce, service.nonce = "of-the-issuer", "of-the-service"
    for _ in range(3):
        assert call("POST", OS, content=b"body").status_code == httpx.codes.OK
    assert len(issuer.requests) == 2
    assert service.requests == 1 + 3
    service.nonce = "another"
    assert call("GET", OS).status_code == httpx.codes.OK


def test_a_nonce_that_never_suits_is_tried_once(
    call: Caller, service: ProvingService, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ProvingService, "nonce", property(lambda self: f"n{self.requests}"))
    assert call("GET", OS).status_code == httpx.codes.UNAUTHORIZED
    assert service.requests <= 3


def test_a_refused_token_is_replaced_with_a_proof_for_the_new_one(
    call: Caller, service: ProvingService
):
    service.refused = {"token-1"}
    assert call("GET", OS).status_code == httpx.codes.OK
    assert [token for token, _ in service.seen] == ["token-1", "token-2"]


def test_a_bearer_token_is_no_substitute(new_client: New, issuer: ProvingIssuer):
    issuer.next_answers = [answer("token-1")] * 10
    client = new_client(dpop=True, wall_clock=lambda: NOW)
    with pytest.raises(TokenUnavailable, match="without a token of the type DPoP"):
        client.token()
    settled(client)


@rows(
    "key",
    {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "RS256": rsa.generate_private_key(65_537, 2_048),
    },
)
def test_a_key_can_be_kept_in_a_file(key: Any, new_client: New, tmp_path: Path):
    file = tmp_path / "key.pem"
    file.write_text(pem(key))
    clients = [new_client(dpop=PrivateKey(each)) for each in (file, file, pem(key))]
    proofs = [each.proofs.proof("GET", OS) for each in clients]
    keys = {read_proof(each.encode(), "GET", OS, _issued(each)).jkt for each in proofs}
    assert len(keys) == 1


def _issued(proof: str) -> float:
    payload = proof.split(".")[1]
    issued_at: float = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"]
    return issued_at


def test_a_key_without_an_algorithm_of_the_rfc_is_refused(new_client: New):
    key = pem(ec.generate_private_key(ec.SECP521R1()))
    with pytest.raises(ValueError, match="must be for ES256"):
        new_client(dpop=PrivateKey(key))


def test_exchanged_tokens_are_bound_to_the_same_key(
    client: TokenClient, issuer: ProvingIssuer, service: ProvingService
):
    acting = client.on_behalf_of("of-alice", "my-os")
    assert SyncCaller(service, acting.auth())("GET", OS).status_code == httpx.codes.OK
    client.token()
    assert len({proof.jkt for proof in issuer.proofs}) == 1


def test_headers_that_agno_sends_several_times_are_refused(client: TokenClient):
    with pytest.raises(ValueError, match="cannot prove each request"):
        mcp_headers(client)
