"""`issuer key`."""

from collections.abc import Collection
from datetime import datetime

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.house import opened
from issuer.cli.options import AsJson
from issuer.keys import KeyState, SigningKey
from issuer.keys.schedule import destroys_at, retires_at, state_at

app = new_app("The keys that sign. They follow one another by themselves, each announced before.")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the signing keys with what each does and until when, youngest first.

    Examples:

      issuer key list
      issuer key list --json
    """
    with opened() as services:
        services.keyring.reload()
        keys, now = services.keyring.keys, services.clock()
    youngest_first = sorted(keys, key=lambda key: key.activates_at, reverse=True)
    items = [described(keys, key, now) for key in youngest_first]
    output.show_all(items, ["kid", "alg", "state", "what"], as_json=as_json)


@app.callback()
def key() -> None:
    """Makes a group of what has only one command so far."""


def described(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> dict[str, object]:
    """The key as JSON has it. `what` is for people."""
    state = state_at(keys, key, now)
    dates = {
        "announced_at": key.announced_at,
        "activates_at": key.activates_at,
        "retires_at": retires_at(keys, key),
        "destroys_at": destroys_at(keys, key),
        "revoked_at": key.revoked_at,
        "destroyed_at": key.destroyed_at,
    }
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": state,
        "what": _in_words(state, dates),
        **{name: date and date.isoformat() for name, date in dates.items()},
    }


def _in_words(state: KeyState, dates: dict[str, datetime | None]) -> str:
    match state:
        case KeyState.ANNOUNCED:
            return f"signs from {_day(dates['activates_at'])}"
        case KeyState.ACTIVE:
            return f"signs until {_day(dates['retires_at'])}"
        case KeyState.RETIRED:
            return f"verifies until {_day(dates['destroys_at'])}"
        case KeyState.DESTROYED if dates["revoked_at"]:
            return f"revoked {_day(dates['revoked_at'])}"
        case KeyState.DESTROYED:
            return f"destroyed {_day(dates['destroyed_at'])}"


def _day(date: datetime | None) -> str:
    return f"{date.day} {date:%b %Y}" if date else "somebody makes another"
