"""Exchanging access tokens for others (RFC 8693), many in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from issuer.audit import Event
from issuer.audit.chain_store import OwnChain
from issuer.background.batches import BatchWorker
from issuer.clock import Clock
from issuer.database import Connection, Database
from issuer.database.counts import read_feed_count, wait_for_revocations
from issuer.directory import Directory
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens import TokenToStore
from issuer.revocations import RevocationView
from issuer.revocations.revoked import Revoked
from issuer.revocations.store import revoked_keys
from issuer.sign_in.consents_store import check_may_act
from issuer.telemetry.metrics import WRITE
from issuer.token_exchange.store import add_exchanged, read_origins
from issuer.token_exchange.subject import Exchange, Origin, UserToken, identity_of, subject_of
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from issuer.tokens.reading import VerifiedToken


class NotAllowedByUser(InvalidCredentials):
    """The user's consent does not say that the client may act there."""


Outcome: TypeAlias = RevokedUntil | InvalidCredentials | None


@dataclass(eq=False, repr=False)
class TokenExchanges:
    """`look_up` and `exchange` are for the event loop, and share transactions with others."""

    _database: Database
    _directory: Directory
    _chain: OwnChain
    _clock: Clock
    _revocations: RevocationView

    def __post_init__(self) -> None:
        self.reader = BatchWorker("exchange-reader", self.find)
        self.writer = BatchWorker("exchange-writer", self.store)

    async def look_up(self, token: VerifiedToken) -> UserToken:
        """`find` for one token; raises `InvalidCredentials`."""
        found = await self.reader.run(token)
        assert isinstance(found, UserToken)
        return found

    async def exchange(
        self, subject: UserToken, authorization: Authorization, issue: TokenToStore
    ) -> RevokedUntil | None:
        """`store` for one token; raises `InvalidCredentials`."""
        issued = identity_of(authorization, issue)
        outcome = await self.writer.run(Exchange(subject, issued, issue))
        assert not isinstance(outcome, InvalidCredentials)
        return outcome

    def find(self, tokens: Sequence[VerifiedToken]) -> list[UserToken | InvalidCredentials]:
        """Each token with its user as stored now; `InvalidCredentials` for one of no more use."""
        users = self._directory.load_users({each.subject for each in tokens if each.is_of_user})
        origins = self._origins(tokens)
        ids = {*(each.client_id for each in tokens), *(each for each, _ in origins.values())}
        clients = {each: self._directory.client(each) for each in ids}
        found: list[UserToken | InvalidCredentials] = []
        for token in tokens:
            client_id, audience_id = origins.get(token.jti, ("", ""))
            first = clients.get(client_id)
            origin = Origin(first, audience_id) if first else None
            client, user = clients[token.client_id], users.get(token.subject)
            try:
                found.append(subject_of(token, client, user, origin))
            except InvalidCredentials as error:
                found.append(error)
        return found

    def _origins(self, tokens: Sequence[VerifiedToken]) -> dict[str, tuple[str, str]]:
        """Client and audience of the token with which the exchanges of each began, by `jti`."""
        began = {each.jti: (each.client_id, each.audience) for each in tokens if not each.actors}
        if later := [each.jti for each in tokens if each.actors]:
            with self._database.reading() as session:
                began |= read_origins(session, later)
        return began

    def store(self, exchanges: Sequence[Exchange]) -> list[Outcome]:
        """None for each that is durable, with its audit event, when this returns.

        `InvalidCredentials` if its subject token was revoked or has expired, or the user does not
        allow it; `RevokedUntil` if only what would be issued was revoked. Revocations that are
        being committed are waited for; later ones find the token among those that were exchanged.
        """
        with self._chain.writing(WRITE) as connection:
            wait_for_revocations(connection)
            revoked = self._revocations_of(connection, exchanges)
            keys = revoked_keys(connection, {each.subject.token.kid for each in exchanges})
            allowed = check_may_act(connection, [each.acting for each in exchanges])
            outcomes = [
                self._outcome(exchange, revoked, keys, is_allowed=is_allowed)
                for exchange, is_allowed in zip(exchanges, allowed, strict=True)
            ]
            pairs = zip(exchanges, outcomes, strict=True)
            if done := [each for each, outcome in pairs if outcome is None]:
                add_exchanged(connection, done)
                self._chain.extend(connection, [self._event(each) for each in done])
        return outcomes

    def _revocations_of(self, connection: Connection, exchanges: Sequence[Exchange]) -> Revoked:
        """All revocations, if this process knows them all; else those about these tokens."""
        known = self._revocations.revoked
        if known.state.count == read_feed_count(connection):
            return known
        named = [i for each in exchanges for i in (each.subject.token, each.issued)]
        return Revoked.about(connection, named)

    def _outcome(
        self, exchange: Exchange, revoked: Revoked, keys: Collection[str], *, is_allowed: bool
    ) -> Outcome:
        token, user_id = exchange.subject.token, exchange.subject.user.id
        if revoked.includes(token) or token.kid in keys:
            return InvalidCredentials("revoked", user_id)
        if exchange.issue.access_token.expires_at <= self._clock():
            return InvalidCredentials("expired", user_id)
        if not is_allowed:
            return NotAllowedByUser("the user has not allowed the client to act there", user_id)
        if revoked.includes(exchange.issued):
            return RevokedUntil.after_revocations(self._clock())
        return None

    def _event(self, exchange: Exchange) -> Event:
        target, issue = exchange.issued.subject, exchange.issue
        return Event(self._clock(), issue.actor, "token.issued", target, details=issue.details)
