"""Performance targets: a ratio of two numbers of one run, or one number.

The name of a number is a scenario and one of its values, or the name of a figure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

RATE, P99 = "per second", "p99"


@dataclass(frozen=True)
class Target:
    """`of`, divided by `against` if there is one, has a minimum or a maximum.

    It does not apply if a number that it `needs` is smaller than required.
    """

    line: str
    of: str
    against: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "×"
    needs: Mapping[str, float] = field(default_factory=dict)

    def value(self, numbers: Mapping[str, float]) -> float | None:
        """None if it was not measured."""
        if self.of not in numbers or (self.against and not numbers.get(self.against)):
            return None
        if any(numbers.get(name, 0) < number for name, number in self.needs.items()):
            return None
        return numbers[self.of] / (numbers[self.against] if self.against else 1)

    def is_reached(self, numbers: Mapping[str, float]) -> bool | None:
        value = self.value(numbers)
        if value is None:
            return None
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)

    @property
    def bound(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}"
        return f"≤ {self.at_most:g} {self.unit}"


def rate(scenario: str) -> str:
    return f"{scenario}: {RATE}"


def p99(scenario: str) -> str:
    return f"{scenario}: {P99}"


_LARGE = {"users": 1_000_000, "clients": 100_000, "groups": 10_000, "events": 1_000_000}
_AT_MOST_MS = {
    "a change by REST": 20,
    "a change by SCIM": 20,
    "userName eq by SCIM": 5,
    "page of the overview": 300,
    "page of roles": 300,
    "page of an audience": 1_000,
    "page of the review": 1_000,
}


def _at_scale(full: str, empty: str) -> Iterator[Target]:
    """With a million users of two roles, on one database."""
    needs = {f"{full}, {what}: rows": number for what, number in _LARGE.items()}
    name = full.rpartition(", ")[2]
    tokens, beside = rate(f"{full}, tokens"), rate(f"{full}, tokens beside four writers")
    line = f"{name}, a large database: token rate"
    yield Target(
        f"{line}, against an empty one",
        tokens,
        rate(f"{empty}, tokens"),
        at_least=0.9,
        needs=needs,
    )
    yield Target(f"{line} beside four writers", beside, tokens, at_least=0.8, needs=needs)
    for what, most in _AT_MOST_MS.items():
        line = f"{name}, a large database: {what}"
        yield Target(line, f"{full}, {what}: ms", at_most=most, unit="ms", needs=needs)
    line, memory = f"{name}, a large database: memory of an export", "export, more memory: MB"
    yield Target(line, f"{full}, {memory}", at_most=150, unit="MB", needs=needs)


_RS256, _RS256_64 = "sqlite, RS256, 16 connections", "sqlite, RS256, 64 connections"
_PEER, _ANSWERS = "node-oidc-provider", "bare, no signature"
_LEAST = {
    ("RS256", "bare"): 0.85,
    ("RS256", _PEER): 1.5,
    ("ES256", "bare"): 0.55,
    ("ES256", _PEER): 1.9,
}
# Commands that only show something, and how long they may take, in seconds.
COMMANDS = {
    "--help": 0.25,
    "client list": 0.6,
    "role list": 0.6,
    "key list": 0.6,
    "audit list": 0.6,
}
_BESIDE = "sqlite, RS256 beside sign-ins"
_A_SECOND = {"introspection": 3_000, "private_key_jwt": 800, "token of a trusted issuer": 800}
_DOCUMENTS = ("JWKS", "JWKS, 304", "metadata", "feed", "feed, 304")

TARGETS = (
    *(
        Target(
            f"{alg} against {'the bare limit' if other == 'bare' else other}, {load}",
            rate(f"sqlite, {alg}, {load}"),
            rate(f"{other}, {alg}, {load}"),
            at_least=least,
        )
        for (alg, other), least in _LEAST.items()
        for load in ("16 connections", "64 connections")
    ),
    Target(
        "two processes on two cores against one",
        rate("sqlite, 2 processes, RS256, 64 connections"),
        rate(_RS256_64),
        at_least=1.8,
    ),
    Target(
        "PostgreSQL against SQLite, RS256, 64 connections",
        rate("postgresql, RS256, 64 connections"),
        rate(_RS256_64),
        at_least=0.9,
    ),
    Target(
        "sqlite, ES256: bound to a key (DPoP), against not bound",
        rate("sqlite, bound to a key (DPoP), ES256"),
        rate("sqlite, ES256, 16 connections"),
        at_least=0.5,
    ),
    Target(
        "p99 of RS256 while sign-ins saturate their pool, against alone",
        p99(_BESIDE),
        p99(_RS256),
        at_most=2.5,
    ),
    *(
        Target(
            f"{word} against the bare limit", rate(f"sqlite, {word}"), rate(_ANSWERS), at_least=0.5
        )
        for word in _DOCUMENTS
    ),
    *(
        Target(f"refresh tokens used, {kind}", rate(f"{kind}, refresh"), at_least=least, unit="/s")
        for kind, least in {"sqlite": 1_000, "postgresql": 600}.items()
    ),
    Target(
        "token exchange against client credentials",
        rate("sqlite, token exchange"),
        rate(_RS256),
        at_least=0.6,
    ),
    *(
        Target(word, rate(f"sqlite, {word}"), at_least=least, unit="/s")
        for word, least in _A_SECOND.items()
    ),
    Target(
        "AgentOS with the adapter against stock agno with a JWKS file",
        rate("AgentOS, adapter"),
        rate("AgentOS, stock"),
        at_least=1.6,
    ),
    Target(
        "resident memory of one idle process", "resident idle, sqlite: MB", at_most=95, unit="MB"
    ),
    Target(
        "memory of two idle workers and their parent",
        "memory idle, sqlite, 2 processes: MB",
        at_most=150,
        unit="MB",
    ),
    Target("start to first token", "start, sqlite: s", at_most=1.0, unit="s"),
    *(
        Target(f"issuer {command}", f"issuer {command}, sqlite: s", at_most=most, unit="s")
        for command, most in COMMANDS.items()
    ),
    *(
        target
        for database in ("sqlite", "postgresql")
        for target in _at_scale(f"scale, full, {database}", f"scale, empty, {database}")
    ),
)
