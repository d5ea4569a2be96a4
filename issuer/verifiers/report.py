"""What a verifier says when it polls (docs/reference/revocation-feed.md): untrusted text.

The header is a Dictionary of RFC 9651; only the types that it needs are read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from issuer.fields.ids import is_audience_id
from issuer.fields.networks import UNKNOWN, network_of

REPORT_HEADER = b"agentos-verifier"
MAX_KIDS = 16
_MAX_BYTES = 2048
_MEMBER = re.compile(r'([a-z]{1,16})=(?:"([ !#-\[\]-~]*)"|\(([^()]*)\)|(\d{1,11}))')
_COMMA = re.compile(r" ?, ?")
_INSTANCE = re.compile(r"[A-Za-z0-9_-]{8,32}")
_VERSION = re.compile(r"[A-Za-z0-9.+!_-]{1,32}")
_KID = re.compile(r'"([A-Za-z0-9._~-]{1,64})"')


class VerifierIdentity(NamedTuple):
    """One process of an AgentOS at one address. `instance` is random."""

    audience: str
    address: str
    instance: str


@dataclass(frozen=True, slots=True)
class VerifierReport:
    """What it said at `seen_at`: its versions, the keys it holds, the `iat` of its feed."""

    identity: VerifierIdentity
    adapter_version: str
    agno_version: str | None
    kids: tuple[str, ...]
    feed_issued_at: datetime | None
    seen_at: datetime

    @property
    def network(self) -> str:
        """The network that it came from, by which reports are limited."""
        return network_of(self.identity.address)


def read_report(header: bytes, address: str | None, now: datetime) -> VerifierReport | None:
    """The report in a header of a request from `address`; None if it is not one."""
    if len(header) > _MAX_BYTES:
        return None
    try:
        members = dict(_members(header.decode("ascii")))
        if not is_audience_id(audience := members["aud"]):
            return None
        known_address = address if address and network_of(address) != UNKNOWN else UNKNOWN
        feed = members.get("feed")
        return VerifierReport(
            VerifierIdentity(audience, known_address, _matching(_INSTANCE, members["id"])),
            _matching(_VERSION, members["adapter"]),
            _matching(_VERSION, members["agno"]) if "agno" in members else None,
            _kids(members["keys"]),
            datetime.fromtimestamp(int(feed), UTC) if feed else None,
            now,
        )
    except (KeyError, ValueError):
        return None


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Names and values, without quotes and brackets; of a repeated name the last counts."""
    at = 0
    while found := _MEMBER.match(text, at):
        yield found[1], next(value for value in found.groups()[1:] if value is not None)
        at = found.end()
        if at == len(text):
            return
        comma = _COMMA.match(text, at)
        at = comma.end() if comma else len(text)
    raise ValueError("not a Dictionary")


def _kids(text: str) -> tuple[str, ...]:
    kids = tuple(_matching(_KID, each)[1:-1] for each in text.split())
    if len(kids) > MAX_KIDS:
        raise ValueError("too many keys")
    return kids


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"not {pattern.pattern}")
    return text
