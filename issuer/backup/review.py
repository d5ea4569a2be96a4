"""What an operator has to look at after a restore: what was undone, counted in the archive."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel

from issuer.backup.archive import Header
from issuer.backup.saved_feed import RevokedAgain, SavedFeed
from issuer.keys import SigningKey
from issuer.keys.schedule import state_at
from issuer.revocations.revocations import AUDIENCE, CLIENT_ID, SUB

_KINDS = {SUB: "Users and clients", CLIENT_ID: "Clients", AUDIENCE: "Audiences"}

_COUNTED = {
    ("users", "clients", "trusted_issuers", "assignments", "memberships", "identities"): (
        "Those that were deleted, disabled, unassigned or removed since are back: do it again."
    ),
    ("client_secrets", "passwords"): (
        "Those that were replaced since work again, and the new ones do not."
    ),
    ("second_factors", "recovery_codes", "invitations"): (
        "Those that were removed or used since work again."
    ),
    ("acting_clients",): (
        "What they got by token exchange since stays valid until it expires, and nothing that it"
        " was exchanged for ends it any more: `issuer client revoke-tokens CLIENT` ends it."
    ),
    ("refresh_families", "sessions"): (
        "Those that ended since work again. A refresh token that was used since is refused, and"
        " ends its family; the one before it works: `issuer user revoke-tokens USER` ends all of a"
        " user."
    ),
}


class Reminder(BaseModel):
    """Something to look at: how many there are, which of them, and what happened to them."""

    what: str
    count: int
    names: list[str] = []
    sentence: str


def reminders(
    header: Header,
    now: datetime,
    counted: Mapping[str, int],
    keys: Sequence[SigningKey],
    feed: SavedFeed | None,
    revoked: RevokedAgain | None,
    names: Mapping[str, str],
) -> list[Reminder]:
    """Only those that this archive has. `keys` are the usable ones after the restore.

    `names` are those of users and clients by id, as far as they have one.
    """
    until = f"{feed.issued_at if feed else header.created_at:%Y-%m-%d %H:%M:%S} UTC"
    advice = "Revoke them again" if feed else "Restore with --revocations, revoke them again"
    found = [
        Reminder(
            what="access_tokens",
            count=1,
            sentence=f"Access tokens that were revoked after {until} are no longer in the feed:"
            f" verifiers that restart accept them until they expire. {advice}, or revoke the"
            " signing keys.",
        ),
        Reminder(
            what="signing_keys",
            count=len(keys),
            names=[f"{key.kid} ({key.alg}, {state_at(keys, key, now)})" for key in keys],
            sentence=f"Signing keys: {len(keys)}. One that was revoked"
            f" {'after the saved feed' if feed else 'since'} works again:"
            " `issuer key revoke KID`.",
        ),
    ]
    found += _of_principals(revoked.principals if revoked else {}, names)
    found += _of_rows(counted)
    event, checkpoint = counted["last_event"], counted["last_checkpoint"]
    sentence = (
        f"Audit events after {event} and checkpoints after {checkpoint} are lost, and their"
        " numbers are used again. `issuer audit verify --checkpoint` reports such a checkpoint as"
        " missing."
    )
    found.append(Reminder(what="audit_events", count=event, sentence=sentence))
    return [each for each in found if each.count]


def _of_principals(
    revoked: Mapping[str, Sequence[str]], names: Mapping[str, str]
) -> Iterator[Reminder]:
    for kind, ids in revoked.items():
        sentence = (
            f"{_KINDS[kind]} all of whose tokens were revoked since: {len(ids)}. They may have"
            " been disabled, changed or deleted then: do it again."
        )
        named = [f"{names[key]} ({key})" if key in names else key for key in ids]
        yield Reminder(what=f"revoked_{kind}", count=len(ids), names=named, sentence=sentence)


def _of_rows(counted: Mapping[str, int]) -> Iterator[Reminder]:
    for whats, verb in _COUNTED.items():
        numbers = {what: counted[what] for what in whats}
        listed = ", ".join(f"{what.replace('_', ' ')}: {n}" for what, n in numbers.items() if n)
        sentence = f"{listed[:1].upper()}{listed[1:]}. {verb}"
        yield Reminder(what=whats[0], count=sum(numbers.values()), sentence=sentence)
