"""What an operator has to look at after a restore: what was undone, counted in the archive."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel

from issuer.backup.archive import Header
from issuer.backup.saved_feed import RevokedAgain, SavedFeed
from issuer.backup.store import RestoredCounts
from issuer.keys import SigningKey
from issuer.keys.schedule import state_at
from issuer.revocations.revocations import AUDIENCE, CLIENT_ID, SUB

_NAMED = 10
_KINDS = {SUB: "Users and clients", CLIENT_ID: "Clients", AUDIENCE: "Audiences"}


class Reminder(BaseModel):
    """Something to look at: how many there are, which of them, and what happened to them."""

    what: str
    count: int
    names: list[str] = []
    sentence: str


def reminders(
    header: Header,
    now: datetime,
    counted: RestoredCounts,
    keys: Sequence[SigningKey],
    feed: SavedFeed | None,
    revoked: RevokedAgain | None,
) -> list[Reminder]:
    """Only those that this archive has. `keys` are the usable ones after the restore."""
    since = f"{header.created_at:%Y-%m-%d %H:%M:%S} UTC"
    found = [
        *_of_tokens(since, feed),
        *_of_keys(keys, now, feed),
        *_of_principals(revoked),
        *_of_counts(counted),
        *_of_audit_events(counted),
    ]
    return [each for each in found if each.count]


def _of_tokens(since: str, feed: SavedFeed | None) -> Iterator[Reminder]:
    until = f"{feed.issued_at:%Y-%m-%d %H:%M:%S} UTC" if feed else since
    advice = "Revoke them again" if feed else "Restore with --revocations, revoke them again"
    yield Reminder(
        what="access_tokens",
        count=1,
        sentence=f"Access tokens that were revoked after {until} are no longer in the feed:"
        f" verifiers that restart accept them until they expire. {advice}, or revoke the signing"
        " keys.",
    )


def _of_keys(
    keys: Sequence[SigningKey], now: datetime, feed: SavedFeed | None
) -> Iterator[Reminder]:
    after = "after the saved feed" if feed else "since"
    yield Reminder(
        what="signing_keys",
        count=len(keys),
        names=[f"{key.kid} ({key.alg}, {state_at(keys, key, now)})" for key in keys],
        sentence=f"Signing keys: {len(keys)}. One that was revoked {after} works again:"
        " `issuer key revoke KID`.",
    )


def _of_principals(revoked: RevokedAgain | None) -> Iterator[Reminder]:
    for kind, names in (revoked.principals if revoked else {}).items():
        yield Reminder(
            what=f"revoked_{kind}",
            count=len(names),
            names=names,
            sentence=f"{_KINDS[kind]} all of whose tokens were revoked since: {len(names)}. They"
            " may have been disabled, changed or deleted then: do it again.",
        )


def _of_counts(counted: RestoredCounts) -> Iterator[Reminder]:
    for names, verb in _COUNTED:
        numbers = {name: count for name, count in asdict(counted).items() if name in names}
        listed = ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in numbers.items() if n)
        yield Reminder(
            what=names[0],
            count=sum(numbers.values()),
            sentence=f"{listed[:1].upper()}{listed[1:]}. {verb}",
        )


def _of_audit_events(counted: RestoredCounts) -> Iterator[Reminder]:
    checkpoint = counted.last_checkpoint
    yield Reminder(
        what="audit_events",
        count=counted.last_event,
        sentence=f"Audit events after {counted.last_event} and checkpoints after {checkpoint} are"
        " lost, and their numbers are used again. `issuer audit verify --checkpoint` reports such a"
        " checkpoint as missing.",
    )


_COUNTED = (
    (
        ("users", "clients", "trusted_issuers", "assignments"),
        "Those that were deleted, disabled or unassigned since are back: do it again.",
    ),
    (
        ("client_secrets", "passwords"),
        "Those that were replaced since work again, and the new ones do not.",
    ),
    (
        ("second_factors", "recovery_codes", "invitations"),
        "Those that were removed or used since work again.",
    ),
    (
        ("refresh_families", "sessions"),
        "Those that ended since work again. A refresh token that was used since is refused, and"
        " ends its family; the one before it works: `issuer user revoke-tokens USER` ends all of a"
        " user.",
    ),
)
