"""Which rows of a database appeared, are gone or changed, as lines that name them."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from issuer.database.tables import Base
from tests.builders import Deployment

Row = Mapping[str, Any]
Rows = dict[tuple[str, ...], Row]

# What a running server writes by itself, and what every command writes.
_UNCOMPARED = {
    "audit_checkpoints",
    "audit_events",
    "change_counter",
    "key_set_promise",
    "known_addresses",
    "left_out_verifiers",
    "principals",
    "revocation_feed",
    "sealed_secrets",
    "sign_in_tries",
    "token_counts",
    "token_counts_progress",
    "used_assertions",
    "verifiers",
}
_UNCOMPARED_COLUMNS = {
    *("change", "last_used_address", "last_used_at", "updated_at", "version", "written_at", "id")
}
# SQLite uses the number of a deleted row again.
_KEYS = {
    "assignments": ("folded_id", "role_name", "audience_id"),
    "consents": ("user_id", "client_id", "audience_id"),
}
# How rows are named, where their primary key is made at random.
_LABELS = {
    "audience_resources": ("resource", "audience_id"),
    "authorization_codes": ("user_id", "client_id", "audience_id"),
    "client_secrets": ("client_id",),
    "deployment": (),
    "device_codes": ("client_id",),
    "exchanged_tokens": ("client_id",),
    "identities": ("issuer_id", "subject"),
    "refresh_families": ("client_id",),
    "sessions": ("user_id",),
    "signing_keys": ("alg",),
    "used_challenges": (),
    "users": ("username",),
}


def rows(deployment: Deployment) -> Rows:
    """Every row that is compared, by its table and its primary key."""
    found: Rows = {}
    with deployment.services.database.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name in _UNCOMPARED:
                continue
            columns = _KEYS.get(table.name) or [column.name for column in table.primary_key]
            for row in session.execute(select(table)).mappings():
                key = tuple(str(row[column]) for column in columns)
                found[table.name, *key] = dict(row)
    return found


def changes(before: Rows, after: Rows, deployment: Deployment) -> Iterator[str]:
    """Each row that appeared, is gone, or has other values, as a line."""
    names = {deployment.services.settings.url: "ISSUER"}
    for row in (*before.values(), *after.values()):
        if "username" in row:
            names |= dict.fromkeys((row["id"], row["folded_id"]), row["username"])
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        label = " ".join([key[0], *_label(key, new or old or {}, names)])
        if old is None:
            yield f"+ {label}"
        elif new is None:
            yield f"- {label}"
        elif changed := sorted(
            name for name in old if old[name] != new[name] and name not in _UNCOMPARED_COLUMNS
        ):
            yield f"~ {label}: {', '.join(changed)}"


def _label(key: tuple[str, ...], row: Row, names: Mapping[str, str]) -> Iterator[str]:
    columns = _LABELS.get(key[0])
    values = key[1:] if columns is None else [str(row[column]) for column in columns]
    for value in values:
        yield names.get(value, value)
