"""What clients, users and groups have in common: ids from one space, and tokens to revoke."""

from abc import abstractmethod
from operator import attrgetter
from random import Random
from typing import TypeVar

from issuer.database.store import claim_id, new_id, release_id
from issuer.database.tables import ClientRow, GroupRow, UserRow
from issuer.fields.ids import fold_id
from issuer.resources.collection import Collection, Transaction
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.revocations.revocations import FeedFull

PrincipalRowT = TypeVar("PrincipalRowT", bound=ClientRow | UserRow | GroupRow)

_is_disabled = attrgetter("disabled")


class Principals(Collection[PrincipalRowT, FieldsT, ModelT]):
    """Clients, users or groups. Without an id, a new one gets one that begins with `id_prefix`."""

    id_prefix: str

    def __init__(self, transaction: Transaction, random: Random) -> None:
        super().__init__(transaction)
        self._random = random

    def revoke_tokens(self, key: str) -> None:
        """Revoke every token issued so far to the client, those of its users included, or user.

        Of a group, the access tokens of its members. `FeedFull` if they would stay valid.
        """
        self._row_to_change(key)
        self._revoke(key)
        if key in self._revocations.left_valid:
            raise FeedFull
        self._note("tokens_revoked", key)

    def delete(self, key: str, *, cascade: bool = False) -> None:
        """Delete it with its assignments, and revoke its tokens. The id may be used again."""
        super().delete(key, cascade=cascade)
        release_id(self._store.session, key)

    def _prefixes(self, text: str) -> list[str]:
        return [fold_id(text)]

    def _row_to_change(self, key: str) -> PrincipalRowT:
        """The row, if the caller may change what it may do; else `Forbidden`."""
        row = self._store.get(key)
        self._authorize(self._fields(row), None)
        return row

    @abstractmethod
    def _revoke(self, key: str) -> None:
        """Revoke its tokens."""

    def _with_key(self, fields: FieldsT) -> FieldsT:
        key = self.resource_type.key_of(fields) or new_id(self.id_prefix, self._random)
        claim_id(self._store.session, key, self.resource_type.kind)
        self._authority.note_created(key)
        return fields.model_copy(update={self.resource_type.key: key})

    def _write(self, row: PrincipalRowT, fields: FieldsT) -> None:
        super()._write(row, fields)
        row.folded_id = fold_id(self.resource_type.key_of(fields))

    def _revoke_for(self, before: FieldsT, after: FieldsT | None) -> None:
        if after is None or (_is_disabled(after) and not _is_disabled(before)):
            self._revoke(self.resource_type.key_of(before))
