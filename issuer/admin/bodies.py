"""Request bodies: JSON, and merge patches (RFC 7396)."""

from typing import Annotated, Any

from fastapi import Body, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from issuer.admin.problems import ProblemRaised
from issuer.fields.fields import Fields
from issuer.fields.json import AmbiguousJson, strict_json

_JSON = ("application/json", "application/merge-patch+json")
# Twice the maximum of a resource. A parsed value takes much more memory than in the body.
MAX_VALUES = 10_000


class StrictJsonRequest(Request):
    """A request whose JSON every parser reads alike (RFC 8259, RFC 7493 §2.3).

    UTF-8, no repeated member, no NaN: a proxy that checks the request reads the same values.
    """

    async def json(self) -> Any:
        return await run_in_threadpool(_strict_json, await self.body())


def _strict_json(body: bytes) -> Any:
    # Counted before parsing. Separators inside strings count too, which does no harm: no string
    # of this API may be that long.
    if sum(body.count(separator) for separator in (b",", b"[", b"{")) > MAX_VALUES:
        raise HTTPException(413, f"The body has more than {MAX_VALUES} values.")
    try:
        return strict_json(body)
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except AmbiguousJson as error:
        raise HTTPException(400, str(error)) from None


def require_json(request: Request) -> None:
    """415 unless the media type of the body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        raise ProblemRaised("unsupported-media-type", f"Send {' or '.join(_JSON)}.")


KeepCredentials = Annotated[
    list[Annotated[str, Field(max_length=255)]],
    Field(
        max_length=1_000,
        description="Ids of credentials that somebody without `issuer:admin` gave, which clients"
        " keep although they begin to hold rights at the issuer. The answer 409 lists them.",
    ),
]


class KeptCredentials(Fields):
    """Credentials of clients that begin to hold rights at the issuer."""

    keep_credentials: KeepCredentials = []

    @classmethod
    def taken_from(cls, patch: dict[str, Any]) -> list[str]:
        """The member of a merge patch, which is none of the resource; `InvalidField`."""
        given = patch.pop("keep_credentials", None)
        return cls.read({} if given is None else {"keep_credentials": given}).keep_credentials


MergePatch = Annotated[
    dict[str, Any],
    Body(
        media_type="application/merge-patch+json",
        description="Members to change (RFC 7396); null resets a member to its default.",
    ),
]
