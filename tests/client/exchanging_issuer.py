"""An issuer on a socket that exchanges tokens (RFC 8693), without rules about who may."""

import base64
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from tests.agentos.adapter.fake_issuer import METADATA, FakeIssuer

TOKEN = "/oauth2/token"
USER_TOKEN = "/user-token"
REFUSED = "mallory"
SCOPES = [
    "config:read",
    *(f"{kind}:{each}" for kind in ("agents", "teams", "workflows") for each in ("run", "read")),
]
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class ExchangingIssuer(FakeIssuer):
    """Has a token endpoint, and `USER_TOKEN?sub=…&audience=…&expires_in=…`.

    `exchanged` are the users of the tokens that were exchanged. Those of `REFUSED` are refused.
    """

    def __init__(self) -> None:
        self.exchanged: list[str] = []
        super().__init__()

    def document(self, path: str) -> str | None:
        document = super().document(path)
        if path != METADATA or document is None:
            return document
        return json.dumps(json.loads(document) | {"token_endpoint": self.url + TOKEN})

    def user_token(self, query: dict[str, Any]) -> str:
        more = {"expires_in": int(query.pop("expires_in", "900"))}
        return self.issue(SCOPES, **query, **more)

    def answer(self, form: dict[str, str], client: str) -> tuple[int, dict[str, Any]]:
        about: dict[str, Any] = {"audience": form["audience"], "client_id": client}
        if form["grant_type"] != EXCHANGE:
            return self.token(sub=client, **about)
        subject = claims_in(form["subject_token"])
        if subject["sub"] == REFUSED:
            return 400, {"error": "invalid_grant", "error_description": "It was revoked."}
        self.exchanged.append(subject["sub"])
        actor = {"sub": client} | ({"act": subject["act"]} if "act" in subject else {})
        left = int(subject["exp"] - time.time())
        return self.token(sub=subject["sub"], act=actor, expires_in=left, **about)

    def token(self, expires_in: int = 900, **claims: Any) -> tuple[int, dict[str, Any]]:
        token = self.issue(SCOPES, expires_in=expires_in, **claims)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": expires_in}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer, served = self, super()._handler()

        class ExchangingHandler(served):  # type: ignore[misc, valid-type]
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path != USER_TOKEN:
                    super().do_GET()
                    return
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                self.respond(200, issuer.user_token(query).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                pair = base64.b64decode(self.headers["Authorization"].removeprefix("Basic "))
                client = unquote(pair.decode().partition(":")[0])
                status, document = issuer.answer(dict(parse_qsl(body)), client)
                self.respond(status, json.dumps(document).encode())

            def respond(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return ExchangingHandler


def claims_in(token: str) -> dict[str, Any]:
    """Not verified."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
