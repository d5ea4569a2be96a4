"""Reading and changing the resources of one type."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from issuer.audit import Trail
from issuer.audit.trail import differences
from issuer.authority import Authority
from issuer.authority.new_privileges import NewPrivileges
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import ListPart, ListQuery, Store, as_model, claim_id, new_id, release_id
from issuer.database.tables import ClientRow, GroupRow, UserRow, Versioned
from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.fields.ids import fold_id
from issuer.resources.resource_type import FieldsT, ModelT, ResourceType
from issuer.revocations import Revocations
from issuer.revocations.revocations import FeedFull

RowT = TypeVar("RowT", bound=Versioned)


@dataclass
class Transaction:
    """What every collection uses; misspelled scopes if `unknown_scopes_allowed`."""

    session: Session
    trail: Trail
    clock: Clock
    authority: Authority
    revocations: Revocations
    unknown_scopes_allowed: bool = False

    @cached_property
    def new_privileges(self) -> NewPrivileges:
        return NewPrivileges(self.session, self.trail, self.clock, self.authority, self.revocations)

    def check_invariants(self) -> None:
        """Check, at the end of a change, the rules that concern its result as a whole.

        Where somebody got rights at the issuer, what others gave ends or must be confirmed. The
        audit log names those whose tokens there was no space in the feed to revoke.
        """
        self.new_privileges.check_invariants()
        self.authority.check_invariants()
        self.revocations.check_invariants()
        for principal in self.revocations.still_valid:
            self.trail.note("token.revoked", principal, access_tokens_revoked=False)

    @property
    def warnings(self) -> list[str]:
        """What operators should know about the change, as sentences."""
        return [*self.new_privileges.warnings, *filter(None, [self.revocations.warning])]


class Identified(Protocol):
    @property
    def id(self) -> str: ...


IdentifiedT = TypeVar("IdentifiedT", bound=Identified)


def one_of(several: Iterable[IdentifiedT], id_: str, kind: str) -> IdentifiedT:
    """The one with this id; `NotFound` names its kind."""
    for each in several:
        if each.id == id_:
            return each
    raise NotFound(kind, id_)


@dataclass(eq=False, repr=False)
class WithinTransaction:
    """Has at hand what its transaction is made of."""

    _transaction: Transaction

    def __post_init__(self) -> None:
        self._session = self._transaction.session
        self._trail = self._transaction.trail
        self._clock = self._transaction.clock
        self._authority = self._transaction.authority
        self._revocations = self._transaction.revocations


class Collection(WithinTransaction, Generic[RowT, FieldsT, ModelT]):
    """The resources of one type, within one transaction. Errors are those of `issuer.errors`.

    Every change is authorized, makes a new version and writes an audit event. Subclasses add
    their rules by overriding the methods from `_authorize` on.
    """

    resource_type: ResourceType[FieldsT, ModelT]
    store_type: type[Store[RowT]]

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._store = self.store_type(transaction.session)

    def get(self, key: str) -> ModelT:
        return self._model(self._store.get(key))

    def find(self, key_or_name: str) -> ModelT:
        """The resource of that key, else the only one of that name; `NotFound` if there is none."""
        return self.get(key_or_name)

    def exists(self, key: str) -> bool:
        return self._store.find(key) is not None

    def page(self, after: str | None, limit: int, *, descending: bool = False) -> list[ModelT]:
        """At most `limit` resources whose keys follow `after`, in order of key."""
        rows = self._store.page(after, limit, descending=descending)
        return [self._model(row) for row in rows]

    def in_text_order(self, limit: int) -> Iterator[list[ModelT]]:
        """All resources, at most `limit` at once, in the same order on each database."""
        for rows in self._store.in_text_order(limit):
            yield [self._model(row) for row in rows]

    def listed(self, asked: ListQuery) -> ListPart[ModelT]:
        """A page of a list, which finds any part of an id, of a name and of some other texts."""
        only = self._only(asked.only)
        conditions = [] if only is None else [only]
        part = self._store.listed(asked, self._prefixes(asked.search), *conditions)
        models = [self._model(row) for row in part.items]
        return ListPart(models, part.next, part.looked_at, part.sortable, part.total)

    @property
    def filters(self) -> Sequence[str]:
        """What a list can be narrowed to, by name."""
        return [*self._store.filters]

    def search(self, text: str, limit: int) -> list[ModelT]:
        """Resources whose id or name begins with `text`: at most `limit` by each."""
        return [self._model(row) for row in self._store.search(self._prefixes(text), limit)]

    def like(self, text: str, limit: int) -> list[ModelT]:
        """Resources whose id or name begins with `text`, else those that have it in any text."""
        found = self.search(text, limit)[:limit]
        return found or [*self.listed(ListQuery(limit, text)).items]

    def named(self, keys: Iterable[str]) -> list[ModelT]:
        """The resources of these keys that exist, in no order; ids of principals in any case."""
        ids = (self._prefixes(key)[0] for key in keys)
        return [self._model(row) for row in self._store.identified(ids)]

    def count(self, most: int) -> int:
        """How many there are, but no more than `most`."""
        return self._store.count(most)

    def create(self, fields: FieldsT) -> ModelT:
        """`AlreadyExists` if the key, or another member that must be unique, is taken."""
        self._authorize(None, fields)
        self.reject_misspelled(None, fields)
        return self._add("created", self._store.row(), self._with_key(fields))

    def update(self, key: str, patch: Mapping[str, object]) -> ModelT:
        """Apply a merge patch (RFC 7396)."""
        row = self._store.get(key)
        before = self._fields(row)
        return self._replace(row, before, self._patched(before, patch))

    def replace(self, key: str, fields: FieldsT) -> ModelT:
        """Replace all fields, also with values that no merge patch can set: a null in `claims`."""
        row = self._store.get(key)
        return self._replace(row, self._fields(row), fields)

    def delete(self, key: str, *, cascade: bool = False) -> None:
        """Delete it; `InUse` while others use it, unless `cascade` removes it from them."""
        row = self._store.get(key)
        before = self._fields(row)
        self._authorize(before, None)
        details = {**self._audited(before), **self._release(row, cascade=cascade)}
        self._revoke_for(before, None)
        self._store.delete(row)
        self._note("deleted", key, **details)

    def reject_misspelled(self, before: FieldsT | None, after: FieldsT) -> None:
        """`InvalidField` for misspelled scopes, unless allowed; those from before stay."""
        # Imported here: servers that issue tokens do not need the catalogue.
        from issuer.catalogue.lint import reject_misspelled  # noqa: PLC0415 - for administrators

        if not self._transaction.unknown_scopes_allowed:
            had = getattr(before, "scopes", [])
            reject_misspelled(each for each in getattr(after, "scopes", []) if each not in had)

    def _add(self, what: str, row: RowT, fields: FieldsT, **details: Any) -> ModelT:
        row.created_at = row.updated_at = self._clock()
        self._write(row, fields)
        self._store.add(row)
        details |= self._audited(fields)
        self._note(what, self.resource_type.key_of(fields), **details)
        return self._model(row)

    def _patched(self, before: FieldsT, patch: Mapping[str, object]) -> FieldsT:
        """What a merge patch makes of the fields."""
        return before.patched(patch)

    def _replace(self, row: RowT, before: FieldsT, after: FieldsT) -> ModelT:
        if self.resource_type.key_of(after) != self.resource_type.key_of(before):
            raise InvalidField(self.resource_type.key, "cannot be changed")
        self._authorize(before, after)
        self.reject_misspelled(before, after)
        self._revoke_for(before, after)
        self._rewrite(row, before, after)
        return self._model(row)

    def _rewrite(self, row: RowT, before: FieldsT, after: FieldsT) -> None:
        key = self.resource_type.key_of(after)
        self._write(row, after)
        self._store.changed(row, self._clock())
        self._note("updated", key, **differences(before, after, self.resource_type.private))

    def _authorize(self, before: FieldsT | None, after: FieldsT | None) -> None:
        """`Forbidden` unless the caller may make this change; None: it does not exist."""

    def _with_key(self, fields: FieldsT) -> FieldsT:
        """`fields` of a new resource, with a key that nothing else has."""
        key = self.resource_type.key_of(fields)
        if self.exists(key):
            raise AlreadyExists(self.resource_type.kind, key)
        return fields

    def _write(self, row: RowT, fields: FieldsT) -> None:
        for name in self.resource_type.fields.model_fields.keys() - self._related(row):
            setattr(row, name, getattr(fields, name))

    def _prefixes(self, text: str) -> list[str]:
        """`text` as each searched column of the store has it."""
        return [text]

    def _only(self, name: str) -> Any:
        """The condition of the filter; None if there is none of that name."""
        condition = self._store.filters.get(name)
        return condition and condition(self._clock())

    def _related(self, row: RowT) -> dict[str, Any]:
        """The fields that are kept in rows of other tables."""
        return {}

    def _revoke_for(self, before: FieldsT, after: FieldsT | None) -> None:
        """Revoke the tokens that this change ends."""

    def _release(self, row: RowT, *, cascade: bool) -> dict[str, Any]:
        """Remove the resource from those that use it; details for the audit log."""
        return {}

    def _fields(self, row: RowT) -> FieldsT:
        return as_model(self.resource_type.fields, row, **self._related(row))

    def _model(self, row: RowT) -> ModelT:
        return as_model(self.resource_type.model, row, **self._related(row))

    def _audited(self, fields: FieldsT) -> dict[str, Any]:
        hidden = {self.resource_type.key, *self.resource_type.private}
        return fields.model_dump(mode="json", exclude=hidden)

    def _note(self, what: str, key: str, **details: Any) -> None:
        self._trail.note(f"{self.resource_type.name}.{what}", key, **details)


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
