"""Credentials of a client, and who gave them. An id names the content. Pure functions."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from issuer.database.tables import ClientRow
from issuer.errors import NotAllowed
from issuer.vocabulary import GivenAs


@dataclass(frozen=True, slots=True)
class Grantor:
    """The actor `by`, and the rights at the issuer it had then; None: not known."""

    by: str | None
    given_as: GivenAs | None

    @property
    def is_admin(self) -> bool:
        """Whether it held `issuer:admin`, as the command line does."""
        return self.given_as in {GivenAs.ADMIN, GivenAs.LOCAL}


_MAX_NAMED = 5
_IN_WORDS = {"redirect_uri": "redirect URI", "trusted_issuer": "trusted issuer"}
_ID_CHARACTERS = 32  # 128 bits: nobody finds two contents with one id


@dataclass(frozen=True, slots=True)
class GivenCredential:
    """A credential of a client, or a trusted issuer; `given_by` is null where it was not noted."""

    kind: str
    id: str
    name: str
    client_id: str
    given_by: str | None

    def __str__(self) -> str:
        name = f" {self.name}" if self.name else ""
        of = f" of {self.client_id}" if self.client_id else ""
        by = self.given_by or "an unknown actor"
        return f"{_IN_WORDS.get(self.kind, self.kind)}{name}{of} ({self.id}, given by {by})"


@dataclass(frozen=True, slots=True)
class GivenMember:
    """A user in a group; `given_by` added them, null where it was not noted."""

    group_id: str
    group: str
    user_id: str
    username: str
    given_by: str | None

    @property
    def id(self) -> str:
        """What confirms it: no credential has such an id."""
        return member_key(self.user_id)

    def __str__(self) -> str:
        by = self.given_by or "an unknown actor"
        return f"{self.username} in the group {self.group} ({self.user_id}, added by {by})"


def member_key(user_id: str) -> str:
    """What confirms the memberships of a user."""
    return f"member {user_id}"


class NotKept(NotAllowed):
    """Rights at the issuer would begin with what others `given`, which nobody has confirmed."""

    before: ClassVar[str]
    after: ClassVar[str]

    def __init__(self, given: Iterable[Any]) -> None:
        self.given = [*given]
        named = ", ".join(map(str, self.given[:_MAX_NAMED]))
        if (more := len(self.given) - _MAX_NAMED) > 0:
            named += f" and {more} more"
        super().__init__(f"{self.before}: {named}. {self.after}")

    def as_members(self) -> list[dict[str, Any]]:
        """The credentials as JSON values."""
        return [asdict(each) for each in self.given]


class CredentialsNotKept(NotKept):
    """Clients would begin to hold rights at the issuer with credentials that others gave."""

    before = (
        "This gives rights at the issuer to clients with credentials that were given without"
        " issuer:admin"
    )
    after = "Replace them, or confirm each by its id (keep_credentials, --keep-credentials)."


class MembersNotKept(NotKept):
    """A group would begin to hold rights at the issuer with members whom others added."""

    before = (
        "This gives rights at the issuer to members of a group whom somebody without issuer:admin"
        " added"
    )
    after = "Remove them, or confirm each by the id of the user (keep_members, --keep-members)."


def not_of_admins(client: ClientRow) -> list[GivenCredential]:
    """Keys, trusts and redirect URIs of the client that nobody with `issuer:admin` gave."""
    found = []
    for each, (kind, name) in _contents(client).items():
        grantor = (client.credentials_given or {}).get(each, {})
        if not Grantor(None, grantor.get("as")).is_admin:
            found.append(GivenCredential(kind, each, name, client.client_id, grantor.get("by")))
    return found


def ids_of(client: ClientRow) -> frozenset[str]:
    """Ids of keys, trusts and redirect URIs of the client; none before it is stored."""
    return frozenset(_contents(client))


def grantors_after(client: ClientRow, before: Iterable[str], grantor: Grantor) -> dict[str, Any]:
    """`credentials_given` after a change by `grantor`; `before` are the ids that it found."""
    known = client.credentials_given or {}
    kept = {each: known[each] for each in known.keys() & ids_of(client) & {*before}}
    return kept | given(ids_of(client) - {*before}, grantor)


def given(ids: Iterable[str], grantor: Grantor) -> dict[str, Any]:
    """Members of `credentials_given`."""
    given_as = grantor.given_as or GivenAs.OTHER
    return {each: {"by": grantor.by, "as": given_as.value} for each in sorted(ids)}


def digest_of(content: Mapping[str, Any]) -> str:
    """A digest that stays equal where a later version adds members with a default."""
    text = json.dumps({name: value for name, value in content.items() if value}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_CHARACTERS]


def _contents(client: ClientRow) -> dict[str, tuple[str, str]]:
    """Kind and name of each credential, by id. An id holds for one client only."""
    contents: dict[str, tuple[str, str]] = {}

    def add(kind: str, name: str, members: Mapping[str, Any]) -> None:
        digest = digest_of({**members, "of client": client.client_id})
        contents[f"{kind}_{digest}"] = (kind, name)

    for key in (client.jwks or {}).get("keys", []):
        add("key", key.get("kid", ""), key)
    if client.jwks_uri:
        add("jwks_uri", client.jwks_uri, {"uri": client.jwks_uri})
    for trust in client.trusts or []:
        add("trust", f"{trust['issuer']} {trust['subject']}", trust)
    for uri in client.redirect_uris or []:
        add("redirect_uri", uri, {"uri": uri})
    return contents
