"""People: authorization requests, sessions, consents and authorization codes."""

from dataclasses import dataclass

from issuer.audit import Actor
from issuer.clients.documents import fields_of
from issuer.composition.administration import Administration
from issuer.composition.foundation import Foundation
from issuer.composition.tokens import TokenParts, see_own_change
from issuer.directory import ClientRecord
from issuer.keys import Keyring
from issuer.keys.sealed_secrets_store import (
    AUTHORIZATION_CODES,
    AUTHORIZATION_REQUESTS,
    LOGOUT_REQUESTS,
    SESSIONS,
    derived,
)
from issuer.refresh_tokens import Lifetimes
from issuer.sign_in.authorization_request import AuthorizationRequests
from issuer.sign_in.codes import AuthorizationCodes
from issuer.sign_in.flow import AuthorizationFlow
from issuer.sign_in.logout import LogoutRequests
from issuer.sign_in.offer import Offers
from issuer.sign_in.sealed_text import SealedTexts
from issuer.sign_in.secret_texts import CODE, SESSION, SecretTexts
from issuer.sign_in.sessions import SignInSessions
from issuer.sign_in.validation import Validation
from issuer.tokens import IdTokenReader


@dataclass(frozen=True)
class PeopleParts:
    """What protocol endpoints and pages share for people who sign in."""

    requests: AuthorizationRequests
    logout_requests: LogoutRequests
    validation: Validation
    sessions: SignInSessions
    flow: AuthorizationFlow
    codes: AuthorizationCodes

    def delete_expired(self) -> None:
        """Delete what has expired or ended."""
        self.sessions.delete_expired()
        self.codes.delete_expired()


def build_people(
    foundation: Foundation, tokens: TokenParts, keyring: Keyring, administration: Administration
) -> PeopleParts:
    settings, clock, database = foundation.settings, foundation.clock, foundation.database
    random, hmac_key, trails = foundation.random, foundation.hmac_key, foundation.trails
    directory, find_client = tokens.directory, tokens.client_documents.find

    def ended() -> None:
        see_own_change(tokens.changes)

    def keep_client(client: ClientRecord, actor: Actor) -> None:
        if client.is_fetched:
            with administration.changing(actor, held=()) as work:
                work.clients.keep_document(fields_of(client))

    def sealed(purpose: str) -> SealedTexts:
        return SealedTexts(derived(hmac_key, purpose), random)

    requests = AuthorizationRequests(sealed(AUTHORIZATION_REQUESTS), clock, random)
    id_tokens = IdTokenReader(settings.url, keyring)
    codes = SecretTexts(CODE, derived(hmac_key, AUTHORIZATION_CODES), random)
    return PeopleParts(
        requests,
        LogoutRequests(sealed(LOGOUT_REQUESTS), clock, random, id_tokens, find_client),
        Validation(settings.url, clock, requests, find_client, id_tokens),
        SignInSessions(
            database,
            trails,
            clock,
            random,
            SecretTexts(SESSION, derived(hmac_key, SESSIONS), random),
            Lifetimes(settings.session_idle, settings.session_ttl),
            ended,
            second_factor_required=settings.second_factor == "required",
        ),
        AuthorizationFlow(
            settings.url,
            database,
            trails,
            clock,
            Offers(settings.url, clock, directory, find_client),
            keep_client,
            codes,
        ),
        AuthorizationCodes(database, trails, clock, codes, tokens.refresh_tokens, ended),
    )
