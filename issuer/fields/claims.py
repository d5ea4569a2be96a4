"""The syntax of an operator's own claims, as a pydantic type."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

from pydantic import AfterValidator

from issuer.vocabulary import CLAIMS_OF_THE_TOKEN, CLAIMS_THAT_CHANGE_A_TOKEN

MAX_CLAIM_BYTES = 4096
_DEEPEST_CLAIM = 8
_NUL_OR_SURROGATE = re.compile("[\0\ud800-\udfff]")
_LARGEST_INTEGER = 2**53 - 1  # RFC 7493 §2.2: what every JSON reader keeps exact


def _custom_claims(claims: dict[str, Any]) -> dict[str, Any]:
    for name in claims:
        if name in CLAIMS_OF_THE_TOKEN | CLAIMS_THAT_CHANGE_A_TOKEN:
            raise ValueError(f"{name} is set by the issuer")
        if name.lower().startswith("agno_"):
            raise ValueError(f"{name}: AgentOS trusts claims that begin with agno_")
    require_portable(claims)
    if len(json.dumps(claims, separators=(",", ":"))) > MAX_CLAIM_BYTES:
        raise ValueError(f"may take at most {MAX_CLAIM_BYTES} bytes as JSON")
    return claims


def require_portable(value: object, depth: int = 0) -> None:
    """RFC 7493, and what both databases can store; `ValueError` otherwise."""
    if depth > _DEEPEST_CLAIM:
        raise ValueError(f"may be nested at most {_DEEPEST_CLAIM} deep")
    match value:
        case str():
            if _NUL_OR_SURROGATE.search(value):
                raise ValueError("may not hold NUL or unpaired surrogates")
        case int() if abs(value) > _LARGEST_INTEGER:
            raise ValueError("may not hold an integer beyond 2^53-1, which readers would round")
        case float() if not math.isfinite(value):
            raise ValueError("may not hold NaN or infinity")
        case Mapping():
            for part in chain.from_iterable(value.items()):
                require_portable(part, depth + 1)
        case Sequence():
            for member in value:
                require_portable(member, depth + 1)


CustomClaims = Annotated[dict[str, Any], AfterValidator(_custom_claims)]
