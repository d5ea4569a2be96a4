"""No secret, assertion or token is in an error, a log line or a `repr`."""

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from issuer.client import PrivateKey, TokenClient, TokenError
from tests.client.conftest import SECRET, MovedClock, ScriptedIssuer, answer, refusal
from tests.client.test_credentials import jwk, pem
from tests.client.test_retrying import PASSING
from tests.rows import rows

New = Callable[..., TokenClient]

SECRETS = [SECRET, "an-assertion", "token-1", "s3cret", "PRIVATE KEY"]
FAULTS: dict[str, Any] = {
    **PASSING,
    "refused": refusal("invalid_client", "Client authentication failed.", 401),
    "a token that cannot be used": answer("token-1", token_type="mac"),
    "an unforeseen error": RuntimeError(SECRET),
}
CREDENTIALS: dict[str, dict[str, Any]] = {
    "secret": {},
    "secret of a callable": {"client_secret": lambda: "s3cret"},
    "assertion": {"assertion": lambda: "an-assertion"},
    "private key": {"assertion": PrivateKey(pem("ES256"))},
    "private key as JWK": {"assertion": PrivateKey(json.dumps(jwk("RS256")))},
    "invalid key": {"assertion": PrivateKey(json.dumps({"kty": "s3cret", "d": "s3cret"}))},
}


@rows("credential", CREDENTIALS)
@rows("fault", FAULTS)
def test_nothing_secret_is_shown(
    new_client: New,
    issuer: ScriptedIssuer,
    caplog: pytest.LogCaptureFixture,
    fault: Any,
    credential: dict[str, Any],
):
    issuer.next_answers = [fault] * 10
    client = new_client(**credential)
    with caplog.at_level(logging.DEBUG), pytest.raises(TokenError) as raised:
        client.token()
    shown = [*everything_of(raised.value), repr(client), repr(client.auth()), caplog.text]
    shown += [repr(value) for value in vars(client).values()]
    for text in shown:
        assert not [each for each in secrets_of(credential) if each in text]


def secrets_of(credential: dict[str, Any]) -> list[str]:
    key = credential.get("assertion")
    inner = [key._key] if isinstance(key, PrivateKey) else []
    return [*SECRETS, *inner]


def everything_of(error: BaseException) -> list[str]:
    """The texts of the error and of all that it was raised from, also implicitly."""
    shown = [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    for inner in (error.__cause__, error.__context__):
        shown += everything_of(inner) if inner is not None else []
    return shown


def test_a_call_shows_no_token(
    client: TokenClient, caplog: pytest.LogCaptureFixture, clock: MovedClock
):
    with caplog.at_level(logging.DEBUG):
        client.token()
        clock.move(800)
        client.token()
        transport = httpx.MockTransport(lambda _: httpx.Response(401))
        with httpx.Client(auth=client.auth(), transport=transport) as http:
            response = http.get("https://os.example/")
    shown = [caplog.text, repr(response), repr(response.request), repr(response.request.headers)]
    assert not [text for text in shown if "token-" in text or SECRET in text]
