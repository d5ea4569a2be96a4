"""Signing in with an account of a trusted issuer: OpenID Connect, code flow (Core §3.1).

Imports Authlib, httpx and PyJWT: import it where it is first needed.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from issuer.clock import Clock
from issuer.directory.records import ProviderRecord, TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.key_source import KeySource
from issuer.federation.provider import ProviderClient, ProviderFailure, Providers
from issuer.federation.public_keys import InvalidToken, SignedToken, parse_token
from issuer.sign_in.provider_claims import ProviderClaims, provider_claims
from issuer.sign_in.provider_request import NotRecent, ProviderRequest, SignInDeclined
from issuer.sign_in.provider_tokens import check_at_hash, check_id_token, check_id_token_type

# The claims of a token that a key of the issuer has signed; `InvalidToken`.
VerifiedClaims: TypeAlias = Callable[
    [TrustedIssuerRecord, SignedToken], Awaitable[Mapping[str, Any]]
]

_CALLBACK = "/sign-in/callback/"  # and the id of the trusted issuer (RFC 9700 §4.4.2.2)
_MAX_CODE = 4_096
_MAX_HINT = 255
# They are about the sign-in, of which only the ID token tells.
_OF_ID_TOKEN_ALONE = frozenset({"amr", "acr", "auth_time", "sid", "nonce", "iss", "aud", "azp"})


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
        parameters = {"nonce": request.nonce}
        if request.max_age is not None:
            parameters["max_age"] = str(request.max_age)
        if prompt is not None:
            parameters["prompt"] = prompt
        if login_hint:
            parameters["login_hint"] = login_hint[:_MAX_HINT]
        return self._providers.authorization_url(
            client,
            metadata,
            state=request.id,
            code_verifier=request.code_verifier,
            **(parameters if metadata.is_openid else {}),
        )

    async def claims(
        self, issuer: TrustedIssuerRecord, request: ProviderRequest, answer: Mapping[str, str]
    ) -> ProviderClaims:
        """What the provider says about the person, for an authorization response that counts.

        `InvalidCredentials` names the rule that it breaks, `SignInDeclined` the error in it;
        `ProviderAway` if the provider cannot be asked.
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
        return provider_claims(found, _record(issuer))

    async def _of_id_token(
        self, issuer: TrustedIssuerRecord, request: ProviderRequest, text: str, access_token: str
    ) -> dict[str, Any]:
        try:
            token = parse_token(text)
            check_id_token_type(token)
            claims = await self._verified_claims(issuer, token)
            check_id_token(claims, request, _record(issuer).client_id, self._clock())
            check_at_hash(claims, token.unverified.header, access_token)
        except InvalidToken as error:
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
        return ProviderClient(
            KeySource(
                None,
                issuer.issuer,
                issuer.algorithms,
                issuer.ca_certificate,
                issuer.allow_private_addresses,
            ),
            record.client_id,
            self._secret_of(issuer),
            record.scopes,
            f"{self._own_url}{_CALLBACK}{issuer.id}",
        )


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
