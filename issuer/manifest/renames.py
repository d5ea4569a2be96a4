"""An order in which users can exchange names without a conflict."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256

from issuer.fields.usernames import fold_username
from issuer.manifest.changes import Change
from issuer.users import UserFields


def in_order(updates: Iterable[Change]) -> Iterator[Change]:
    """`updates` of users, each after the one that frees its new name.

    In a cycle of names, one user first gets a temporary name.
    """
    waiting = list(updates)
    while waiting:
        held = {_name(each.before) for each in waiting} - {None}
        blocked = [each for each in waiting if _is_blocked(each, held)]
        if len(blocked) < len(waiting):
            yield from (each for each in waiting if not _is_blocked(each, held))
        else:
            temporary, blocked[0] = _via_temporary_name(blocked[0])
            yield temporary
        waiting = blocked


def _is_blocked(change: Change, held: set[str | None]) -> bool:
    new_name = _name(change.after)
    return new_name in held and new_name != _name(change.before)


def _name(members: Mapping[str, object]) -> str | None:
    return fold_username(str(members["username"])) if "username" in members else None


def _via_temporary_name(change: Change) -> tuple[Change, Change]:
    assert isinstance(change.fields, UserFields)
    digest = sha256(str(change.resource.id).encode()).hexdigest()
    temporary = {"username": f"renaming-{digest[:32]}"}
    after = {"username": change.after["username"]}
    return (
        replace(
            change,
            after={**change.after, **temporary},
            fields=change.fields.model_copy(update=temporary),
        ),
        replace(change, before=temporary, after=after),
    )
