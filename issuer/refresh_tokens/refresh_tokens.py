"""Issuing, rotating and revoking refresh tokens (RFC 6749 §6, RFC 9700 §4.14.2)."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from issuer.audit import Actor, Trails
from issuer.audit.chain_store import OwnChain
from issuer.background.batches import BatchWorker
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.store import new_id
from issuer.directory import Directory, UserRecord
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens.family import (
    Family,
    FoundToken,
    GrantedBefore,
    Lifetimes,
    RefreshTokenMaker,
    TokenToStore,
    TokenUse,
    ValidatedToken,
)
from issuer.refresh_tokens.store import FamilyStore, lock_families, store_families
from issuer.revocations import Revocations, TokenIdentity
from issuer.revocations.revocations import SID
from issuer.revocations.revoked import Revoked
from issuer.telemetry.metrics import WRITE
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil

# In so long another process has committed its use of a token, most likely.
_UNTIL_USED = timedelta(milliseconds=100)


@dataclass(eq=False, repr=False)
class RefreshTokens:
    """Each call is a transaction, for a worker thread; `look_up` and `use_up` share theirs.

    `_ended` is called after a family ended, so that this process knows it at once.
    """

    _database: Database
    _directory: Directory
    _trails: Trails
    _chain: OwnChain
    _clock: Clock
    _random: Random
    _maker: RefreshTokenMaker
    _lifetimes: Lifetimes
    _session_lifetimes: Lifetimes
    _grace: timedelta
    _ended: Callable[[], None]

    def __post_init__(self) -> None:
        self.reader = BatchWorker("refresh-reader", self.find_with_users)
        self.writer = BatchWorker("refresh-writer", self.use)

    def new_family_id(self) -> str:
        """The id of the family that `begin` will create: the `sid` of its access tokens."""
        return new_id("family_", self._random)

    def begin(
        self, user: UserRecord, authorization: Authorization, issue: TokenToStore
    ) -> str | RevokedUntil:
        """The first token of a new family, for what a sign-in was granted.

        `InvalidCredentials` if user or client was changed meanwhile, `RevokedUntil` if the
        access token was revoked: the family would outlast the change that ends all others.
        """
        token, family = self.first_of(user.id, authorization, issue)
        with self._database.changing() as session:
            store = FamilyStore(session)
            authenticated = (user.id, user.password_hash, family.client_id)
            if not store.is_still_as_authenticated(*authenticated, family.audience_id):
                raise InvalidCredentials("user or client changed during sign-in", user.id)
            if self.is_revoked(session, issue, family):
                return RevokedUntil.after_revocations(self._clock())
            store.add(family)
            issue.record(self._trails, session, user.id, family.id)
        return token

    def first_of(
        self,
        user_id: str,
        authorization: Authorization,
        issue: TokenToStore,
        sign_in_session: str | None = None,
    ) -> tuple[str, Family]:
        """The first token of a new family, and the family, not yet stored."""
        assert authorization.sid is not None
        token, now = self._maker.first(), self._clock()
        return token, Family(
            id=authorization.sid,
            client_id=authorization.client.client_id,
            user_id=user_id,
            audience_id=authorization.audience.id,
            scopes=authorization.scopes,
            openid_scopes=authorization.openid_scopes,
            session_id=authorization.session_id,
            sign_in_session=sign_in_session,
            created_at=now,
            rotated_at=now,
            access_until=issue.access_token.expires_at,
            handle=self._maker.handle(token) or b"",
            digest=self._maker.digest(token),
            jkt=authorization.jkt if authorization.client.is_public else None,
        )

    def present(
        self, token: str, client_id: str, asked: bytes, actor: Actor, jkt: str | None = None
    ) -> ValidatedToken:
        """The token, ready for `use`; `InvalidCredentials` if it is not valid.

        `asked` is the `request_digest`, `jkt` the thumbprint of the key that the request proves to
        have.

        A reused token revokes its family, and is the same error. A token of another client, or
        bound to another key, is refused, and its family is unchanged.
        """
        (family,) = self._families([token])
        if family is None:
            raise InvalidCredentials("unknown refresh token")
        if family.client_id != client_id:
            raise InvalidCredentials("refresh token of another client", family.user_id)
        if not family.is_usable_by(jkt):  # before anything that would end the family
            raise InvalidCredentials("refresh token bound to another key", family.user_id)
        if self._clock() >= family.expires_at(self._lifetimes):
            raise InvalidCredentials("expired refresh token", family.user_id)
        if self._clock() >= family.session_expires_at(self._session_lifetimes):
            raise InvalidCredentials("the session of the refresh token ended", family.user_id)
        if self._is_newest(token, family):
            return ValidatedToken(family, asked, token)
        if (successor := self._successor_again(token, family, asked)) is not None:
            return ValidatedToken(family, asked, token, successor)
        self._end(family, "refresh.reused", actor)
        raise InvalidCredentials("refresh token used before", family.user_id)

    async def look_up(self, token: str) -> FoundToken | None:
        """The family and user of a token; None if it is not valid."""
        return await self.reader.run(token)

    async def use_up(self, presented: ValidatedToken, issue: TokenToStore) -> str | RevokedUntil:
        """The next token, as `use` gives it."""
        return await self.writer.run(self.use_of(presented, issue))

    def use_of(self, presented: ValidatedToken, issue: TokenToStore) -> TokenUse:
        """The use of a token, for `use`. Nothing is changed yet."""
        family, salt = presented.family, self._maker.salt()
        successor = presented.successor or self._maker.successor(presented.token, salt)
        after = replace(family, access_until=issue.access_token.expires_at)
        if not presented.successor:
            digest, now = self._maker.digest(successor), self._clock()
            after = replace(after, digest=digest, salt=salt, asked=presented.asked, rotated_at=now)
            after = replace(after, jkt=presented.jkt or family.jkt)
        return TokenUse(family, after, successor, issue)

    def use(self, uses: Sequence[TokenUse]) -> list[str | RevokedUntil]:
        """The next token of each. All are durable, with their audit events, when this returns.

        `RevokedUntil` in a moment if another request has used the token since it was presented, or
        is using it: of concurrent requests one succeeds, and the others must present it again.
        `RevokedUntil` also if the access token was revoked meanwhile; the refresh token stays
        valid.
        """
        results: list[str | RevokedUntil] = []
        done: list[TokenUse] = []
        # Without the lock that every change takes: one that ends a family waits for its row.
        with self._chain.writing(WRITE) as connection:
            families = lock_families(connection, {each.before.id for each in uses})
            for each in uses:
                family = families.get(each.before.id)
                if family is None or family.digest != each.before.digest:
                    results.append(RevokedUntil(self._clock() + _UNTIL_USED))
                elif family.has_revoked(each.issue.access_token.issued_at):
                    results.append(RevokedUntil.after_revocations(self._clock()))
                else:
                    families[family.id] = family._replace(digest=each.after.digest)
                    results.append(each.successor)
                    done.append(each)
            if done:
                store_families(connection, [each.after for each in done])
                self._chain.extend(connection, [each.event(self._clock()) for each in done])
        return results

    def find(self, token: str) -> Family | None:
        """The family of a token that is valid now; None otherwise. Nothing is changed."""
        return self._valid([token])[0]

    def find_with_users(self, tokens: Sequence[str]) -> list[FoundToken | None]:
        """Family and user of each token, in order; None for one that is not valid."""
        families = self._valid(tokens)
        users = self._directory.load_users({each.user_id for each in families if each})
        found = [(family, users.get(family.user_id) if family else None) for family in families]
        return [FoundToken(family, user) if family and user else None for family, user in found]

    def revoke(self, token: str, client_id: str, actor: Actor) -> bool:
        """Revoke the family of a token, used or not; False if the client has no such family."""
        (family,) = self._families([token])
        if family is None or family.client_id != client_id:
            return False
        return self._end(family, "refresh.revoked", actor)

    def expires_at(self, family: Family) -> datetime:
        """When its newest token expires, unless it is used or its session is, in the browser."""
        of_session = family.session_expires_at(self._session_lifetimes)
        return min(family.expires_at(self._lifetimes), of_session)

    def delete_expired(self) -> None:
        """Delete expired and ended families, in batches: no request waits long for the lock."""
        self._database.in_batches(
            lambda session: FamilyStore(session).delete_expired(self._lifetimes, self._clock()),
            changing=True,
        )
        while True:
            with self._database.reading() as session:  # without the lock
                ended = FamilyStore(session).ended()
            if not ended:
                return
            with self._database.changing() as session:
                FamilyStore(session).delete(ended)

    def is_revoked(self, session: Session, issue: TokenToStore, granted: GrantedBefore) -> bool:
        """Whether the database says so now. A family or session that ended has no row."""
        identity = TokenIdentity(
            jti=issue.access_token.jti,
            sid=None,
            subject=granted.user_id,
            client_id=granted.client_id,
            audience=granted.audience_id,
            issued_at=issue.access_token.issued_at,
        )
        return Revoked.about(session.connection(), [identity]).includes(identity)

    def _valid(self, tokens: Sequence[str]) -> list[Family | None]:
        return [
            family
            if family and self._is_newest(token, family) and self._clock() < self.expires_at(family)
            else None
            for token, family in zip(tokens, self._families(tokens), strict=True)
        ]

    def _families(self, tokens: Sequence[str]) -> list[Family | None]:
        """The family of each token, used or not; None for an unknown one."""
        handles = [self._maker.handle(token) for token in tokens]
        with self._database.reading() as session:
            found = FamilyStore(session).find_all([each for each in handles if each])
        return [found.get(handle) if handle else None for handle in handles]

    def _is_newest(self, token: str, family: Family) -> bool:
        return hmac.compare_digest(self._maker.digest(token), family.digest)

    def _successor_again(self, token: str, family: Family, asked: bytes) -> str | None:
        """The successor, if the same request comes again within the grace period; else None."""
        since = max(self._clock() - family.rotated_at, timedelta(0))  # clocks differ
        if family.salt is None or since >= self._grace or asked != family.asked:
            return None
        successor = self._maker.successor(token, family.salt)
        return successor if self._is_newest(successor, family) else None

    def _end(self, family: Family, action: str, actor: Actor) -> bool:
        """End the family and revoke its access tokens, at once; False if it had ended before."""
        with self._database.changing() as session:
            access_until = FamilyStore(session).end(family.id)
            if access_until is None:
                return False
            are_revoked = Revocations(session, self._clock).revoke_of_user(
                SID, {family.id: access_until}, client_id=family.client_id, user_id=family.user_id
            )
            about = {"client_id": family.client_id, "audience": family.audience_id}
            details = {"family": family.id, **about, "access_tokens_revoked": are_revoked}
            self._trails.begin(session, actor).note(action, family.user_id, **details)
        self._ended()
        return True
