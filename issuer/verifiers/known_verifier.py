"""What a verifier says when it polls (docs/reference/revocation-feed.md), and what is known of it.

The header is a Dictionary of RFC 9651; only the types that it needs are read. It is untrusted text.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple, TypeAlias

from issuer.algorithms import AlgorithmInUse
from issuer.fields.ids import is_audience_id
from issuer.fields.networks import UNKNOWN, network_of, site_of
from issuer.keys import SigningKey
from issuer.keys.schedule import next_key
from issuer.vocabulary import SigningAlgorithm

REPORT_HEADER = b"agentos-verifier"
MAX_KIDS = 16
_MAX_BYTES = 2048
_MEMBER = re.compile(r'([a-z]{1,16})=(?:"([ !#-\[\]-~]*)"|\(([^()]*)\)|(\d{1,11}))')
_COMMA = re.compile(r" ?, ?")
_INSTANCE = re.compile(r"[A-Za-z0-9_-]{8,32}")
_VERSION = re.compile(r"[A-Za-z0-9.+!_-]{1,32}")
_KID = re.compile(r'"([A-Za-z0-9._~-]{1,64})"')
# A verifier reports once a minute, and its row is written as often: three reports may be missing.
LIVE_FOR = timedelta(minutes=3)
KEPT_FOR = timedelta(days=1)
WRITTEN_EVERY = timedelta(minutes=1)
MOST = 2000
MOST_OF_AUDIENCE = 500
MOST_OF_NETWORK = 200


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


NextKeys: TypeAlias = Mapping[SigningAlgorithm, str]


@dataclass(frozen=True, slots=True)
class KnownVerifier:
    """A verifier's last report, whose keys it holds since `changed_at`, and its algorithm."""

    report: VerifierReport
    algorithm: AlgorithmInUse
    first_seen_at: datetime
    changed_at: datetime

    def is_live(self, now: datetime) -> bool:
        """Whether it reported just now. A time in the future is of a clock that was wrong."""
        return abs(now - self.report.seen_at) <= LIVE_FOR

    def is_kept(self, now: datetime) -> bool:
        """Whether it reported in the last day."""
        return abs(now - self.report.seen_at) <= KEPT_FOR

    def missing(self, next_keys: NextKeys, now: datetime) -> str | None:
        """The `kid` of the next key of its audience's algorithm, if it does not hold it."""
        kid = next_keys.get(self.algorithm.at(now))
        return None if kid in self.report.kids else kid

    def is_due(self, report: VerifierReport, now: datetime) -> bool:
        """Whether the later `report` must be written: once a minute, and when its keys change.

        The latter at most once a minute as well: a caller may claim other keys each time.
        """
        before = self.report.seen_at
        if before > now + LIVE_FOR:
            return True  # it was written by a clock that was ahead
        changed = report.kids != self.report.kids and report.seen_at > before
        return report.seen_at - (self.changed_at if changed else before) >= WRITTEN_EVERY

    def after(self, report: VerifierReport) -> "KnownVerifier":
        """This verifier after that report."""
        if report.kids == self.report.kids:
            return replace(self, report=report)
        return replace(self, report=report, changed_at=report.seen_at)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """About so many verifiers were left out at `last_at`: what they hold is unknown."""

    number: int
    last_at: datetime

    def is_recent(self, now: datetime) -> bool:
        """Whether they may be live. A time in the future is of a clock that was wrong."""
        return abs(now - self.last_at) <= LIVE_FOR


def next_keys_of(keys: Iterable[SigningKey], now: datetime) -> dict[SigningAlgorithm, str]:
    """The `kid` that signs next, by algorithm."""
    keys = list(keys)
    found = {alg: next_key(keys, alg, now) for alg in {key.alg for key in keys}}
    return {alg: key.kid for alg, key in found.items() if key}


def within_limits(
    live: Iterable[KnownVerifier],
    newcomers: Iterable[KnownVerifier],
    ended: Iterable[KnownVerifier],
) -> list[KnownVerifier]:
    """Which verifiers to keep: live ones that are known, then newcomers, then ended ones.

    Of newcomers first one of each site, then of each a second, and so on; within a site likewise of
    each network. Known ones count for theirs.
    """
    live = sorted(live, key=lambda verifier: verifier.first_seen_at)
    ranked = sorted(newcomers, key=lambda verifier: verifier.first_seen_at)
    for group in (
        lambda verifier: verifier.report.network,
        lambda verifier: site_of(verifier.report.identity.address),
    ):
        ranked = _round_robin(ranked, group, Counter(map(group, live)))
    latest = sorted(ended, key=lambda verifier: verifier.report.seen_at, reverse=True)
    of_audience: Counter[str] = Counter()
    of_network: Counter[str] = Counter()
    kept: list[KnownVerifier] = []
    for verifier in chain(live, ranked, latest):
        audience, network = verifier.report.identity.audience, verifier.report.network
        if of_audience[audience] < MOST_OF_AUDIENCE and of_network[network] < MOST_OF_NETWORK:
            of_audience[audience] += 1
            of_network[network] += 1
            kept.append(verifier)
    return kept[:MOST]


def _round_robin(
    verifiers: Iterable[KnownVerifier], group: Callable[[KnownVerifier], str], before: Counter[str]
) -> list[KnownVerifier]:
    """One of each group, then a second of each; groups have so many `before` (round robin)."""
    turns = []
    for verifier in verifiers:
        before[group(verifier)] += 1
        turns.append((before[group(verifier)], verifier))
    return [each for _, each in sorted(turns, key=lambda turn: turn[0])]
