"""How a client authenticates, and where its credential comes from."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from issuer.client import PrivateKey, TokenClient, TokenRefused, TokenUnavailable
from tests.client.conftest import ISSUER, LIFETIME, MovedClock, ScriptedIssuer, refusal
from tests.rows import rows

New = Callable[..., TokenClient]

KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def pem(algorithm: str) -> str:
    key = KEYS[algorithm]
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(algorithm: str, **members: Any) -> dict[str, Any]:
    made: Any = jwt.get_algorithm_by_name(algorithm)
    return {**made.to_jwk(KEYS[algorithm], as_dict=True), **members}


def assertion_of(issuer: ScriptedIssuer, algorithm: str) -> dict[str, Any]:
    """The claims of the last assertion, verified."""
    form = issuer.form
    assert form["client_assertion_type"].endswith("client-assertion-type:jwt-bearer")
    assert form["client_id"] == "ci-bot"
    assert "Authorization" not in issuer.requests[-1].headers
    return jwt.decode(
        form["client_assertion"],
        KEYS[algorithm].public_key(),
        algorithms=[algorithm],
        audience=ISSUER,
        issuer="ci-bot",
    )


@rows("algorithm", list(KEYS))
def test_a_private_key_in_a_file_signs_assertions(
    new_client: New, issuer: ScriptedIssuer, algorithm: str, tmp_path: Path
):
    """RFC 7523 §3: for this issuer alone, soon expired, never the same twice."""
    file = tmp_path / "key.pem"
    file.write_text(pem(algorithm))
    new_client(assertion=PrivateKey(file, kid="key-1")).token()
    claims = assertion_of(issuer, algorithm)
    assert (claims["sub"], claims["aud"]) == ("ci-bot", ISSUER)
    assert claims["exp"] - claims["iat"] == 60
    header = jwt.get_unverified_header(issuer.form["client_assertion"])
    assert header == {"alg": algorithm, "kid": "key-1", "typ": "JWT"}


@rows("algorithm", list(KEYS))
def test_a_jwk_says_its_algorithm_and_id(new_client: New, issuer: ScriptedIssuer, algorithm: str):
    text = json.dumps(jwk(algorithm, kid="from-jwk", alg=algorithm))
    new_client(assertion=PrivateKey(text)).token()
    assert assertion_of(issuer, algorithm)
    header = jwt.get_unverified_header(issuer.form["client_assertion"])
    assert (header["alg"], header["kid"]) == (algorithm, "from-jwk")


def test_each_request_has_an_assertion_of_its_own(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock
):
    client = new_client(assertion=PrivateKey(pem("ES256")))
    identifiers = set()
    for _ in range(3):
        client.token()
        identifiers.add(assertion_of(issuer, "ES256")["jti"])
        clock.move(LIFETIME)
    assert len(identifiers) == 3


@rows(
    "text",
    ["-----BEGIN PRIVATE KEY-----", "{}", '{"kty": "EC"}', '{"kty": "none", "d": "c2VjcmV0"}', "{"],
)
def test_what_is_no_private_key_is_told_without_it(
    new_client: New, issuer: ScriptedIssuer, text: str
):
    with pytest.raises(TokenUnavailable, match=r"client assertion|not a private key") as raised:
        new_client(assertion=PrivateKey(text)).token()
    assert "c2VjcmV0" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert issuer.issuer_requests == 0


@rows("text", ["", "/run/secrets/key.pem", "no key"])
def test_text_that_is_no_key_is_refused_at_once(text: str):
    with pytest.raises(ValueError, match="key must be the Path of a file"):
        PrivateKey(text)


def test_a_key_may_have_the_newer_name_of_its_algorithm(new_client: New, issuer: ScriptedIssuer):
    """RFC 9864 §2.2. PyJWT signs with the older one, which every server knows."""
    private = json.dumps(jwk("EdDSA", alg="Ed25519"))
    for given in (PrivateKey(private), PrivateKey(pem("EdDSA"), algorithm="Ed25519")):
        new_client(assertion=given).token()
        assert assertion_of(issuer, "EdDSA")["sub"] == "ci-bot"


def test_a_public_key_cannot_sign(new_client: New):
    made: Any = jwt.get_algorithm_by_name("ES256")
    public = made.to_jwk(KEYS["ES256"].public_key())
    with pytest.raises(TokenUnavailable, match="not a private key"):
        new_client(assertion=PrivateKey(public)).token()


def test_a_secret_in_a_file_is_read_for_each_request(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock, tmp_path: Path
):
    file = tmp_path / "secret"
    file.write_text("first\n")
    client = new_client(client_secret=file)
    client.token()
    file.write_text("second\n")
    clock.move(LIFETIME)
    client.token()
    assert issuer.basic == ["ci-bot", "second"]


def test_a_secret_that_was_replaced_during_a_request_is_tried_again(
    new_client: New, issuer: ScriptedIssuer, tmp_path: Path
):
    file = tmp_path / "secret"
    file.write_text("old")

    def rotate(_: object) -> Any:
        file.write_text("new")
        return refusal("invalid_client", status=401)

    issuer.next_answers = [rotate]
    assert new_client(client_secret=file).token() == "token-1"
    assert issuer.basic == ["ci-bot", "new"]


def test_a_wrong_secret_in_a_file_is_sent_once(
    new_client: New, issuer: ScriptedIssuer, tmp_path: Path
):
    file = tmp_path / "secret"
    file.write_text("wrong")
    issuer.next_answers = [refusal("invalid_client", status=401)]
    with pytest.raises(TokenRefused):
        new_client(client_secret=file).token()
    assert issuer.issuer_requests == 1


def test_a_token_of_kubernetes_is_read_through_its_links(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock, tmp_path: Path
):
    """The kubelet replaces a link to a folder at each rotation."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(f"{name}-token")
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "token").symlink_to("..data/token")
    client = new_client(assertion=str(tmp_path / "token"))
    client.token()
    assert issuer.form["client_assertion"] == "first-token"
    (tmp_path / "..next").symlink_to("second")
    (tmp_path / "..next").rename(tmp_path / "..data")
    clock.move(LIFETIME)
    client.token()
    assert issuer.form["client_assertion"] == "second-token"


def test_any_callable_gives_the_credential(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock
):
    threads = []

    def secret() -> str:
        threads.append(threading.current_thread())
        return f"secret-{len(threads)}"

    client = new_client(client_secret=secret)
    client.token()
    clock.move(LIFETIME)
    client.token()
    assert issuer.basic == ["ci-bot", "secret-2"]
    assert threading.current_thread() not in threads

    new_client(assertion=lambda: "an-assertion").token()
    assert issuer.form["client_assertion"] == "an-assertion"


def test_an_error_of_a_callable_is_the_cause(new_client: New):
    def secret() -> str:
        raise ConnectionRefusedError("vault.example")

    def broken() -> str:
        raise KeyError("secret")

    with pytest.raises(TokenUnavailable, match=r"cannot be read: vault\.example"):
        new_client(client_secret=secret).token()
    with pytest.raises(TokenUnavailable, match="cannot be made: KeyError") as raised:
        new_client(client_secret=broken).token()
    assert isinstance(raised.value.__cause__, KeyError)


@rows("value", [None, b"bytes", "", 7])
def test_a_callable_must_return_text(new_client: New, value: object):
    with pytest.raises(TokenUnavailable, match="The client secret is "):
        new_client(client_secret=lambda: value).token()


def test_a_callable_that_hangs_holds_no_caller_for_ever(new_client: New):
    released = threading.Event()
    client = new_client(client_secret=lambda: str(released.wait(30)))
    with pytest.raises(TokenUnavailable, match="within 0 s"):
        client.token(timeout=0.05)
    released.set()
    assert client.token() == "token-1"


@rows("kind", ["missing", "directory", "pipe", "empty", "large", "binary"])
def test_a_file_without_a_secret_is_told_and_nothing_is_sent(
    new_client: New, issuer: ScriptedIssuer, tmp_path: Path, kind: str
):
    file = make(tmp_path / kind, kind)
    with pytest.raises(TokenUnavailable, match="The client secret"):
        new_client(client_secret=file).token()
    assert issuer.issuer_requests == 0


def make(file: Path, kind: str) -> Path:
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind != "missing":
        file.write_bytes({"empty": b"\n", "large": b"x" * 70_000, "binary": b"\xff\xfe"}[kind])
    return file


def test_a_file_that_appears_later_is_used(new_client: New, clock: MovedClock, tmp_path: Path):
    client = new_client(client_secret=tmp_path / "secret")
    with pytest.raises(TokenUnavailable):
        client.token()
    (tmp_path / "secret").write_text("here")
    clock.move(1)
    assert client.token() == "token-1"
