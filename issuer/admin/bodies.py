"""Bodies: JSON as `application/json`, and merge patches (RFC 7396)."""

from typing import Annotated, Any

from fastapi import Body, Depends, Request

from issuer.admin.problems import ProblemRaised

_JSON = ("application/json", "application/merge-patch+json")


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        raise ProblemRaised("unsupported-media-type", f"Send {' or '.join(_JSON)}.")


JsonOnly = Depends(_require_json)

MergePatch = Annotated[
    dict[str, Any],
    Body(
        media_type="application/merge-patch+json",
        description="Members to change (RFC 7396); null gives a member its default.",
    ),
]
