"""The rules for audiences."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from issuer.algorithms import AlgorithmInUse
from issuer.audiences.audience import Audience, AudienceFields
from issuer.audiences.store import AudienceStore
from issuer.audit import Trail, differences
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import as_model
from issuer.database.tables import AudienceRow
from issuer.errors import AlreadyExists, InUse, InvalidField, NotAllowed
from issuer.revocations import Revocations
from issuer.vocabulary import SigningAlgorithm

_MAX_NAMED = 100


class Audiences:
    """Audiences, within one transaction. Errors are those of `issuer.errors`.

    Without `signing_alg`, an audience gets the first of `algorithms`. A new algorithm signs once
    its keys have been published for `announce_for`.
    """

    def __init__(
        self,
        session: Session,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        revocations: Revocations,
        own_id: str,
        algorithms: Sequence[SigningAlgorithm],
        announce_for: timedelta,
    ) -> None:
        self._store = AudienceStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._revocations = revocations
        self.own_id = own_id
        self.algorithms = algorithms
        self._announce_for = announce_for

    def create(self, fields: AudienceFields) -> Audience:
        if self._store.find(fields.id):
            raise AlreadyExists("an audience", fields.id)
        now = self._clock()
        row = AudienceRow(**self._stored(fields), created_at=now, updated_at=now)
        self._store.add(row)
        self._trail.note("audience.created", fields.id, **fields.model_dump(mode="json"))
        return as_model(Audience, row)

    def get(self, audience_id: str) -> Audience:
        return as_model(Audience, self._store.get(audience_id))

    def page(self, after: str | None, limit: int) -> list[Audience]:
        """At most `limit` audiences after the id `after`, in order of id."""
        return [as_model(Audience, row) for row in self._store.page(after, limit)]

    def update(self, audience_id: str, patch: Mapping[str, object]) -> Audience:
        """Apply a merge patch (RFC 7396)."""
        row = self._store.get(audience_id)
        self._authority.authorize_change(audiences=[audience_id])
        before = as_model(AudienceFields, row)
        fields = before.patched(patch)
        if fields.id != audience_id:
            raise InvalidField("id", "cannot be changed")
        stored = self._stored(fields)
        self._change_algorithm(row, stored.pop("signing_alg"))
        for name, value in stored.items():
            setattr(row, name, value)
        self._store.changed(row, self._clock())
        self._trail.note("audience.updated", audience_id, **differences(before, fields))
        return as_model(Audience, row)

    def delete(self, audience_id: str, *, cascade: bool = False) -> None:
        """Delete it and revoke all tokens for it; the id may be used again.

        `InUse` while clients or assignments name it, unless `cascade` removes it there.
        """
        if audience_id == self.own_id:
            raise NotAllowed("The issuer's own audience cannot be deleted.")
        row = self._store.get(audience_id)
        if using := self._store.users_of(audience_id, _MAX_NAMED):
            if not cascade:
                raise InUse("audience", audience_id, using)
            self._authorize_release_of(audience_id)
            self._store.release(audience_id)
        self._revocations.audience(audience_id)
        self._store.delete(row)
        self._trail.note("audience.deleted", audience_id, released=using)

    def ensure_own(self) -> None:
        """Create the issuer's own audience if it is missing; its id is the issuer identifier."""
        if not self._store.find(self.own_id):
            self.create(AudienceFields(id=self.own_id, name="The issuer's admin API"))

    def move_own(self, before: str) -> None:
        """Change the id of the issuer's own audience from `before` to `own_id`."""
        if self._store.find(self.own_id):
            raise AlreadyExists("an audience", self.own_id)
        self._store.move(self._store.get(before), self.own_id)
        self._trail.note("issuer.url_changed", self.own_id, before=before)

    def _authorize_release_of(self, audience_id: str) -> None:
        """Only admins may change principals with rights at the issuer, also through `cascade`."""
        for client in self._store.clients_of(audience_id):
            self._authority.authorize_change(
                principal=client.client_id,
                scopes=client.scopes,
                audiences=[each.audience_id for each in client.audiences],
            )
        for role in self._store.roles_assigned_at(audience_id):
            self._authority.authorize_change(scopes=role.scopes)

    def require_algorithm(self, audience_id: str, alg: SigningAlgorithm) -> None:
        """`NotAllowed` if the audience cannot change to `alg` now."""
        self._algorithm(self._store.get(audience_id)).changed_to(
            alg, self._clock(), self._announce_for
        )

    @staticmethod
    def _algorithm(row: AudienceRow) -> AlgorithmInUse:
        return AlgorithmInUse(row.signing_alg, row.previous_alg, row.alg_changes_at)

    def _change_algorithm(self, row: AudienceRow, alg: SigningAlgorithm) -> None:
        after = self._algorithm(row).changed_to(alg, self._clock(), self._announce_for)
        row.signing_alg, row.previous_alg = after.current, after.previous
        row.alg_changes_at = after.changes_at

    def _stored(self, fields: AudienceFields) -> dict[str, Any]:
        alg = fields.signing_alg or self.algorithms[0]
        if alg not in self.algorithms:
            raise InvalidField(
                "signing_alg",
                f"is not one of ISSUER_SIGNING_ALGORITHMS ({', '.join(self.algorithms)})",
            )
        return {**dict(fields), "signing_alg": alg}
