"""Signing out at the trusted issuer where a session began (OpenID RP-Initiated Logout 1.0)."""

import json
from dataclasses import dataclass
from typing import Any

from issuer.directory import Directory
from issuer.directory.records import TrustedIssuerRecord
from issuer.keys.sealing import SealedTexts
from issuer.sign_in.authorization_request import with_parameters
from issuer.sign_in.provider_claims import ProviderClaims
from issuer.sign_in.sessions_store import SignInSession

SIGN_OUT_PATH = "/sign-out"
# The browser sends it in a URL, which many servers limit to 8 KB.
_MAX_ID_TOKEN = 4_096
_NAMES_OF_PEOPLE = ("login_hint", "preferred_username", "email", "sub")


@dataclass(eq=False, repr=False)
class ProviderSignOut:
    """A session keeps, sealed, what signing out there needs: nothing is fetched when it ends."""

    _own_url: str
    _directory: Directory
    _texts: SealedTexts

    def seal(self, issuer: TrustedIssuerRecord, claims: ProviderClaims) -> str:
        """The text that a session keeps which began with these claims."""
        assert issuer.sign_in is not None
        named = (claims.raw.get(name) for name in _NAMES_OF_PEOPLE)
        members = {
            "id": issuer.id,
            "issuer": issuer.issuer,
            "client_id": issuer.sign_in.client_id,
            "endpoint": claims.end_session_endpoint,
            "id_token": claims.id_token if len(claims.id_token) <= _MAX_ID_TOKEN else "",
            "logout_hint": next(each for each in named if isinstance(each, str) and each),
        }
        return self._texts.seal(json.dumps(members))

    def url_for(self, session: SignInSession, state: str) -> str | None:
        """Where the browser signs out there, and comes back with this `state` (§2, §3).

        None if the provider has no endpoint for it, or the trusted issuer was changed meanwhile.
        """
        kept, issuer = self._read(session)
        if issuer is None or issuer.sign_in is None or not issuer.sign_in.sign_out:
            return None
        if kept["endpoint"] is None or kept["client_id"] != issuer.sign_in.client_id:
            return None
        hint = {"logout_hint": kept["logout_hint"]}
        if kept["id_token"]:
            hint = {"id_token_hint": kept["id_token"]}
        back = {"post_logout_redirect_uri": f"{self._own_url}{SIGN_OUT_PATH}", "state": state}
        return with_parameters(kept["endpoint"], {"client_id": kept["client_id"], **hint, **back})

    def issuer_of(self, session: SignInSession) -> TrustedIssuerRecord | None:
        """The trusted issuer where the person stays signed in when the session ends here alone."""
        return self._read(session)[1]

    def _read(self, session: SignInSession) -> tuple[dict[str, Any], TrustedIssuerRecord | None]:
        sealed = session.provider_sign_out
        text = None if sealed is None else self._texts.open(sealed)
        if text is None:
            return {}, None
        kept: dict[str, Any] = json.loads(text)
        issuer = self._directory.trusted_issuer(kept["id"])
        if issuer is None or not issuer.is_for_people or issuer.issuer != kept["issuer"]:
            return kept, None
        return kept, issuer
