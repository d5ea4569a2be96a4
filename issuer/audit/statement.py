"""The content of a checkpoint: where the chains ended when it was signed."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from issuer.audit.chain_store import ChainHead


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention has deleted, or (not `done`) is deleting.

    That is everything under checkpoint `through`, whose token has the digest `digest`, and that
    checkpoint itself, made at `until`. Chains with newer rows continue from `ends`; no row before
    `first` is left.
    """

    through: int
    digest: str
    until: datetime
    ends: Mapping[str, ChainHead]
    first: int = 0
    done: bool = False

    def claims(self) -> dict[str, Any]:
        return {
            "through": self.through,
            "digest": self.digest,
            "until": int(self.until.timestamp()),
            "chains": _as_json(self.ends),
            "first": self.first,
            "done": self.done,
        }

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> Self:
        return cls(
            claims["through"],
            claims["digest"],
            datetime.fromtimestamp(claims["until"], UTC),
            _from_json(claims["chains"]),
            claims["first"],
            claims["done"],
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A checkpoint. `ends` has the chains that have grown since `previous`, the one before."""

    issuer: str
    number: int
    made_at: datetime
    previous: str | None
    ends: Mapping[str, ChainHead] = field(default_factory=dict)
    pruned: Pruned | None = None

    def claims(self) -> dict[str, Any]:
        """The statement as claims of a JWT."""
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "iat": int(self.made_at.timestamp()),
            "exp": 0,  # expired: no resource server accepts it as an access token
            "number": self.number,
            "previous": self.previous,
            "chains": _as_json(self.ends),
        }

        if self.pruned is not None:
            claims["pruned"] = self.pruned.claims()
        return claims

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> Self:
        """The statement of these claims; `LookupError` or `ValueError` for other claims."""
        pruned = claims.get("pruned")
        return cls(
            claims["iss"],
            claims["number"],
            datetime.fromtimestamp(claims["iat"], UTC),
            claims["previous"],
            _from_json(claims["chains"]),
            pruned and Pruned.read(pruned),
        )

    @classmethod
    def of(cls, token: str) -> Self:
        """The content of `token`, whose keyed hash the caller verifies."""
        payload = token.split(".")[1]
        return cls.read(json.loads(base64.urlsafe_b64decode(payload + "==")))


def digest(token: str) -> str:
    """The digest by which a checkpoint refers to the one before."""
    return hashlib.sha256(token.encode()).hexdigest()


def last_pruned(statements: Sequence[Statement], *, done: bool) -> Pruned | None:
    """What retention has deleted last, or (not `done`) begun to delete."""
    found = [each.pruned for each in statements if each.pruned and each.pruned.done is done]
    return found[-1] if found else None


def ends_through(number: int, statements: Sequence[Statement]) -> dict[str, ChainHead]:
    """Where the chains ended at checkpoint `number`, including those that retention has cut."""
    done = last_pruned(statements, done=True)
    ends = dict(done.ends) if done else {}
    for statement in statements:
        if statement.number <= number:
            ends.update(statement.ends)
    return ends


def _as_json(ends: Mapping[str, ChainHead]) -> dict[str, list[Any]]:
    return {chain: [end.seq, end.hash.hex()] for chain, end in ends.items()}


def _from_json(ends: Mapping[str, list[Any]]) -> dict[str, ChainHead]:
    return {
        chain: ChainHead(seq, bytes.fromhex(hexadecimal))
        for chain, (seq, hexadecimal) in ends.items()
    }
