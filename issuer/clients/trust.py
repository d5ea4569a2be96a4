"""The trusts of a client: which tokens of other issuers authenticate it. Exact, never a pattern."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from issuer.errors import NotFound
from issuer.fields.fields import Fields, require_portable
from issuer.fields.ids import RoleName
from issuer.resources.resource_type import Control, Member

MAX_TRUSTS = 20
_MAX_CLAIMS = 20
_MAX_CLAIM_BYTES = 2_048
_CHECKED_ALREADY = frozenset("iss sub aud exp nbf iat jti".split())  # noqa: SIM905
_WILDCARDS = frozenset("*?")


def _exact(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must have at least one character, and only printable ones")
    if _WILDCARDS & set(text):
        raise ValueError("may not hold * or ?: it is compared exactly, nothing is a pattern")
    return text


def _claims(claims: dict[str, Any]) -> dict[str, Any]:
    if len(claims) > _MAX_CLAIMS:
        raise ValueError(f"may name at most {_MAX_CLAIMS} claims")
    for name, value in claims.items():
        if name in _CHECKED_ALREADY:
            raise ValueError(f"{name} is checked already")
        for text in _texts_in(value):
            if _WILDCARDS & set(text):
                raise ValueError(f"{name} may not hold * or ?: it is compared exactly")
    require_portable(claims)
    if len(json.dumps(claims)) > _MAX_CLAIM_BYTES:
        raise ValueError(f"may take at most {_MAX_CLAIM_BYTES} bytes as JSON")
    return claims


def _texts_in(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in _texts_in(each)]
        case list():
            return [text for each in value for text in _texts_in(each)]
    return []


Exact = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_exact)]


class Trust(Fields):
    """A token of the trusted issuer `issuer` authenticates the client, if all of this is equal.

    Without `audience` it must be for `ISSUER_URL`. `once`: the same token is accepted once.
    """

    issuer: Annotated[
        RoleName,
        Member(
            label="Trusted issuer",
            help="The id of the trusted issuer.",
            metavar="ID",
            names="trusted issuer",
        ),
    ]
    subject: Annotated[
        Exact,
        Member(
            label="Subject",
            help="The subject of the trust.",
            hint="The sub of its tokens",
            metavar="TEXT",
        ),
    ]
    audience: Annotated[
        Exact | None,
        Member(
            label="Audience",
            help="The aud of its tokens. Default: ISSUER_URL.",
            hint="The aud of its tokens",
        ),
    ] = None
    claims: Annotated[
        dict[str, Any],
        AfterValidator(_claims),
        Member(
            label="Further claims",
            help="Claims, each compared as a whole JSON value.",
            hint='A JSON object; each is compared as a whole, such as {"ref_protected": "true"}',
            control=Control.JSON,
        ),
    ] = {}
    once: Annotated[
        bool,
        Member(
            label="Accept each token once only",
            help="Accept each token once only.",
            control=Control.SWITCH,
            option="--once",
        ),
    ] = False


def _distinct(trusts: list[Trust]) -> list[Trust]:
    if any(trust in trusts[:number] for number, trust in enumerate(trusts)):
        raise ValueError("has the same trust twice")
    return trusts


Trusts = Annotated[list[Trust], Field(max_length=MAX_TRUSTS), AfterValidator(_distinct)]


def patch_of_trusts(trusts: Iterable[Trust]) -> dict[str, Any]:
    """The merge patch of a client that replaces all of its trusts by these."""
    return {"trusts": [trust.model_dump(mode="json") for trust in trusts]}


def named_trusts(trusts: Sequence[Trust], text: str) -> list[Trust]:
    """The trusts with the members of the JSON object `text`; `NotFound` if there is none."""
    try:
        named: dict[str, Any] = json.loads(text)
        issuer, subject = named["issuer"], named["subject"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise NotFound("trust", text[:200]) from None
    found = [each for each in trusts if named.items() <= each.model_dump(mode="json").items()]
    if not found:
        raise NotFound("trust", f"{issuer} {subject}"[:200])
    return found
