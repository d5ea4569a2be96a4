"""An OpenID provider in the test itself, which lies where it is told to."""

import asyncio
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from issuer.errors import IssuerError
from issuer.federation.fetching import FetchRefused, HttpAnswer
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.trusting import OtherIssuer
from tests.web.browsing import Browser, PageSeen

COMPANY = "https://login.company.example"
SUBJECT = "00u1a2b3"
SECRET = "the secret of the issuer at the company a+b%c"
CALLBACK = "/sign-in/callback/company"


@dataclass
class FakeProvider:
    """What the internet answers the issuer, as a `Fetcher` gets it.

    `claims` are those of every ID token, `changed` those of the next one (None leaves one out),
    `header` members of its header. `endpoints` answer in place of the real ones, by path. `signer`
    signs in place of its key. Each of `asked` is a request: method, URL, headers and body.
    """

    deployment: Deployment
    other: OtherIssuer
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": SUBJECT})
    changed: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    user_info: dict[str, Any] = field(default_factory=dict)
    endpoints: dict[str, Callable[[], HttpAnswer]] = field(default_factory=dict)
    signer: OtherIssuer | None = None
    edit: Callable[[str], str] = str
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def trusted(
        cls,
        deployment: Deployment,
        issuer_id: str = "company",
        issuer: str = COMPANY,
        **sign_in: Any,
    ) -> "FakeProvider":
        """One where people sign in, as the internet that the deployment sees."""
        other = OtherIssuer.new(issuer, "ES256")
        members = {
            "id": issuer_id,
            "issuer": issuer,
            "algorithms": ["ES256"],
            "keys": {"jwks": other.jwks},
            "kinds": ["people"],
            "sign_in": {"client_id": "issuer", "client_secret": SECRET, **sign_in},
        }
        with deployment.changing() as work:
            work.trusted_issuers.create(TrustedIssuerFields.read(members))
        provider = cls(deployment, other)
        deployment.services.provider_sign_in._providers._fetcher = provider
        return provider

    def change(self, issuer_id: str = "company", **patch: Any) -> None:
        with self.deployment.changing() as work:
            work.trusted_issuers.update(issuer_id, patch)

    def link(self, user_id: str, subject: str = SUBJECT, issuer_id: str = "company") -> str:
        """By an administrator; the id of the identity."""
        with self.deployment.changing() as work:
            grantor = work.authority.grantor
            return work.identities.link(user_id, issuer_id, subject, "", grantor).id

    def authorize(self, location: str, **answer: str | None) -> str:
        """The person signs in there: the path to which the browser is sent back."""
        sent = dict(parse_qsl(urlsplit(location).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = sent
        given = {"code": code, "state": sent["state"], "iss": self.other.issuer, **answer}
        path = sent["redirect_uri"].removeprefix(URL)
        return f"{path}?{urlencode({n: v for n, v in given.items() if v is not None})}"

    def token(self, **changed: Any) -> str:
        """A token that it signs now."""
        now = self.deployment.clock().timestamp()
        claims = {"aud": "issuer", "exp": int(now) + 300, "nbf": None, **changed}
        return (self.signer or self.other).token(now, self.header, **claims)

    def require_allowed(self, url: str) -> None:
        if not url.startswith("https://"):
            raise FetchRefused(f"{url} must be https.")

    async def request(
        self, method: str, url: str, headers: dict[str, str], content: str | None = None
    ) -> HttpAnswer:
        self.asked.append((method, url, headers, content or ""))
        path = urlsplit(url).path
        if path in self.endpoints:
            answer = self.endpoints[path]()
            return await answer if asyncio.iscoroutine(answer) else answer
        match path:
            case "/.well-known/openid-configuration":
                return as_json(self._metadata())
            case "/token":
                return self._tokens(headers, dict(parse_qsl(content or "")))
            case "/userinfo":
                assert headers["Authorization"] == "Bearer at-the-company"
                return as_json({"sub": self.claims["sub"], **self.user_info})
        raise FetchRefused(f"{url} answered 404.")

    def _metadata(self) -> dict[str, Any]:
        issuer = self.other.issuer
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }
        return {name: value for name, value in document.items() if value is not None}

    def _tokens(self, headers: dict[str, str], form: dict[str, str]) -> HttpAnswer:
        sent = self.codes.pop(form["code"], None)
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
        if sent is None or sent["code_challenge"] != challenge.decode().rstrip("="):
            return as_json({"error": "invalid_grant"}, 400)
        assert sent["code_challenge_method"] == "S256"
        assert form["redirect_uri"] == sent["redirect_uri"]
        if basic := headers.get("Authorization"):
            encoded = quote_plus(SECRET)  # RFC 6749 §2.3.1
            assert b64decode(basic.removeprefix("Basic ")).decode() == f"issuer:{encoded}"
        else:
            assert form["client_id"] == "issuer"
        claims = {"nonce": sent["nonce"], **self.claims, **self.changed}
        id_token = self.edit(self.token(**claims))
        tokens = {"access_token": "at-the-company", "token_type": "Bearer", "id_token": id_token}
        return as_json(tokens)


def as_json(value: object, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode())


def refusing(reason: str) -> Callable[[], HttpAnswer]:
    """An endpoint that cannot be reached."""

    def answer() -> HttpAnswer:
        error: IssuerError = FetchRefused(reason)
        raise error

    return answer


def begin(browser: Browser, path: str = "/sign-in", issuer: str = "company") -> str:
    """Press the button on the page; where the browser is sent."""
    page = browser.get(path)
    action = f"{urlsplit(path).path}/with"
    return browser.submit(page, action, issuer=issuer).location


def sign_in_elsewhere(browser: Browser, provider: FakeProvider, **answer: str | None) -> PageSeen:
    """The answer to the browser that comes back."""
    return browser.get(provider.authorize(begin(browser), **answer))


def reasons(deployment: Deployment) -> list[str | None]:
    """Why sign-ins were refused, as the audit log has it."""
    return [each.reason for each in events(deployment, "sign_in.failed")]
