"""Signing in at a trusted issuer (OpenID Connect). Imports Authlib, httpx and PyJWT."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from issuer.clock import Clock
from issuer.directory.records import ProviderRecord, TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation import public_keys
from issuer.federation.key_source import KeySource
from issuer.federation.provider import ProviderClient, ProviderFailure, Providers
from issuer.sign_in.provider_claims import ProviderClaims, provider_claims
from issuer.sign_in.provider_request import (
    CALLBACK_PATH,
    NotRecent,
    ProviderRequest,
    SignInDeclined,
)

# The claims of a token that a key of the issuer has signed; `InvalidToken`.
VerifiedClaims: TypeAlias = Callable[
    [TrustedIssuerRecord, public_keys.SignedToken], Awaitable[Mapping[str, Any]]
]

_MAX_CODE = 4_096
_MAX_HINT = 255
# They are about the sign-in, of which only the ID token tells.
_OF_ID_TOKEN_ALONE = frozenset({"amr", "acr", "auth_time", "sid", "nonce", "iss", "aud", "azp"})
_HASHES = {"EdDSA": "sha512", "Ed25519": "sha512"}  # of others, the digits in their name


@dataclass(eq=False, repr=False)
class ProviderSignIn:
    """For the event loop: nothing here queries, and no answer of a provider is waited for long.

    `_secret_of` opens the secret of this issuer as a client there; None for a public client.
    """

    _own_url: str
    _providers: Providers
    _verified_claims: VerifiedClaims
    _secret_of: Callable[[TrustedIssuerRecord], str | None]
    _clock: Clock

    @property
    def failures(self) -> Mapping[KeySource, ProviderFailure]:
        """The providers whose last request failed."""
        return self._providers.failures

    async def url_for(
        self,
        issuer: TrustedIssuerRecord,
        request: ProviderRequest,
        prompt: str | None = None,
        login_hint: str | None = None,
    ) -> str:
        """Where to send the browser for the request; `ProviderProblem`, `ProviderAway`."""
        client = self._client(issuer)
        metadata = await self._providers.metadata(client.source)
        max_age = None if request.max_age is None else str(request.max_age)
        hint = login_hint[:_MAX_HINT] if login_hint else None
        asked = {"nonce": request.nonce, "max_age": max_age, "prompt": prompt, "login_hint": hint}
        parameters = {name: text for name, text in asked.items() if text is not None}
        more = parameters if metadata.is_openid else {}
        state, verifier = request.id, request.code_verifier
        url_of = self._providers.authorization_url
        return url_of(client, metadata, state=state, code_verifier=verifier, **more)

    async def claims(
        self, issuer: TrustedIssuerRecord, request: ProviderRequest, answer: Mapping[str, str]
    ) -> ProviderClaims:
        """What the provider says about the person, for an authorization response that counts.

        `InvalidCredentials` names the broken rule; `SignInDeclined`, `ProviderAway`.
        """
        client = self._client(issuer)
        metadata = await self._providers.metadata(client.source)
        self._require_iss(issuer, answer, promised=metadata.sends_iss)
        code = _code_in(answer)
        tokens = await self._providers.tokens(client, metadata, code, request.code_verifier)
        if not metadata.is_openid:
            if request.max_age is not None:
                raise NotRecent("the provider does not say when somebody signed in")
            found = await self._providers.user_info(client, metadata, tokens.access_token)
            return provider_claims(found, _record(issuer))
        found = await self._of_id_token(issuer, request, tokens.id_token, tokens.access_token)
        if _lacks(found, _record(issuer)) and metadata.userinfo_endpoint is not None:
            more = await self._providers.user_info(client, metadata, tokens.access_token)
            if more.get("sub") != found["sub"]:  # OpenID Connect Core §5.3.2
                raise InvalidCredentials("sub of user info is not that of the ID token")
            kept = {name: more[name] for name in more.keys() - _OF_ID_TOKEN_ALONE}
            found = kept | found
        read, endpoint = provider_claims(found, _record(issuer)), metadata.end_session_endpoint
        return replace(read, id_token=tokens.id_token, end_session_endpoint=endpoint)

    async def _of_id_token(
        self, issuer: TrustedIssuerRecord, request: ProviderRequest, text: str, access_token: str
    ) -> dict[str, Any]:
        try:
            token = public_keys.parse_token(text)
            _check_id_token_type(token)
            claims = await self._verified_claims(issuer, token)
            _check_id_token(claims, request, _record(issuer).client_id, self._clock())
            _check_at_hash(claims, token.unverified.header, access_token)
        except public_keys.InvalidToken as error:
            raise InvalidCredentials(f"the ID token: {error}") from None
        return dict(claims)

    def _require_iss(
        self, issuer: TrustedIssuerRecord, answer: Mapping[str, str], *, promised: bool
    ) -> None:
        """RFC 9207 §2.4. Without it, the address that was answered to tells who answered."""
        iss = answer.get("iss")
        if iss is None and not promised:
            return
        if iss is None or not hmac.compare_digest(iss.encode(), issuer.issuer.encode()):
            raise InvalidCredentials("iss of the answer is not the trusted issuer")

    def _client(self, issuer: TrustedIssuerRecord) -> ProviderClient:
        record = _record(issuer)
        rules = (issuer.algorithms, issuer.ca_certificate, issuer.allow_private_addresses)
        source, secret = KeySource(None, issuer.issuer, *rules), self._secret_of(issuer)
        callback = f"{self._own_url}{CALLBACK_PATH}{issuer.id}"
        return ProviderClient(source, record.client_id, secret, record.scopes, callback)


def _record(issuer: TrustedIssuerRecord) -> ProviderRecord:
    assert issuer.sign_in is not None
    return issuer.sign_in


def _code_in(answer: Mapping[str, str]) -> str:
    if "error" in answer:
        error = "".join(c for c in answer["error"][:100] if c.isprintable())
        raise SignInDeclined(f"the provider answered {error}")
    code = answer.get("code", "")
    if not 0 < len(code) <= _MAX_CODE:
        raise InvalidCredentials(f"code is not a text of 1 to {_MAX_CODE} characters")
    return code


def _lacks(claims: Mapping[str, Any], provider: ProviderRecord) -> bool:
    """Whether user info may have something that is needed and the ID token does not have."""
    needed = [provider.username_claim, *provider.required_claims]
    if provider.groups_claim is not None:
        needed.append(provider.groups_claim)
    return not claims.keys() >= {*needed}


# The rules for ID tokens. `InvalidToken` names the one that is broken.


def _check_id_token(
    claims: Mapping[str, Any], asked: ProviderRequest, client_id: str, now: datetime
) -> None:
    """OpenID Connect Core §3.1.3.7, after the signature; also `NotRecent`."""
    require_common(claims, asked.issuer, client_id, now)
    if not _is_equal(claims.get("nonce"), asked.nonce):
        raise public_keys.InvalidToken("nonce is not the one that was sent")
    if not isinstance(claims.get("sub"), str):
        raise public_keys.InvalidToken("sub is missing")
    if asked.max_age is not None:
        _require_recent(claims.get("auth_time"), asked, asked.max_age, now)


def _check_id_token_type(token: public_keys.SignedToken) -> None:
    """RFC 8725 §3.11."""
    if token.typ not in {"", "jwt"}:
        raise public_keys.InvalidToken("typ is that of another kind of token")


def _check_at_hash(claims: Mapping[str, Any], header: Mapping[str, Any], token: str) -> None:
    """`at_hash` is optional in the code flow (OpenID Connect Core §3.1.3.8)."""
    if "at_hash" not in claims:
        return
    alg = str(header.get("alg"))
    digest = hashlib.new(_HASHES.get(alg, f"sha{alg[-3:]}"), token.encode()).digest()
    expected = urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    if not _is_equal(claims["at_hash"], expected):
        raise public_keys.InvalidToken("at_hash is not that of the access token")


def require_common(
    claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime
) -> datetime:
    """The rules that ID tokens and logout tokens share; when the token expires."""
    if claims.get("iss") != issuer:
        raise public_keys.InvalidToken("iss is another issuer")
    _require_audience(claims, client_id)
    expires_at = public_keys.valid_until(claims, now)
    public_keys.required_iat(claims)
    return expires_at


def _require_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """`InvalidToken` unless it was issued to this client; of several audiences, `azp` names it."""
    audience, party = claims.get("aud"), claims.get("azp", client_id)
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise public_keys.InvalidToken("aud is not the client here")
    if party != client_id or (len(audiences) > 1 and "azp" not in claims):
        raise public_keys.InvalidToken("azp is not the client here")


def _require_recent(auth_time: object, asked: ProviderRequest, max_age: int, now: datetime) -> None:
    if isinstance(auth_time, bool) or not isinstance(auth_time, int | float):
        raise NotRecent("the ID token: auth_time is missing, though a recent sign-in was asked for")
    earliest = now - timedelta(seconds=max_age)
    if max_age == 0:  # in whole seconds, of another clock
        earliest = asked.created_at - public_keys.LEEWAY
    if not earliest.timestamp() <= auth_time <= (now + public_keys.LEEWAY).timestamp():
        raise NotRecent("the ID token: auth_time is not as recent as was asked for")


def _is_equal(value: object, expected: str) -> bool:
    sent = value if isinstance(value, str) else ""
    return hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), expected.encode())
