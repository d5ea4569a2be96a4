"""Reports as verifiers post them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from issuer.usage import UsageReport
from tests.builders import Deployment

_numbers = count(1)


def report(
    end: datetime,
    counts: Mapping[tuple[str, str], tuple[int, int]] | None = None,
    *,
    audience: str = "my-os",
    client_id: str | None = None,
    **members: Any,
) -> dict[str, Any]:
    """Of allowed and refused requests by subject and scope; a subject is its own client."""
    instant = end.isoformat()
    window = {"id": f"window-{next(_numbers):010}", "start": instant, "end": instant}
    numbers = [
        {
            "sub": subject,
            "client_id": client_id or subject,
            "scope": scope,
            "allowed": allowed,
            "refused": refused,
        }
        for (subject, scope), (allowed, refused) in (counts or {}).items()
    ]
    return {"window": window, "audience": audience, "counts": numbers, **members}


def used(
    deployment: Deployment,
    counts: Mapping[tuple[str, str], tuple[int, int]] | None = None,
    **members: Any,
) -> None:
    """A verifier has reported this just now."""
    said = report(deployment.clock(), counts, **members)
    with deployment.services.administration.usage() as usage:
        usage.record("reporter", UsageReport.read(said))


def used_daily(
    deployment: Deployment, counts: Mapping[tuple[str, str], tuple[int, int]], days: int = 31
) -> None:
    """On each of these days, a verifier has reported this."""
    for _ in range(days):
        used(deployment, counts)
        deployment.clock.move(timedelta(days=1))
    deployment.wait(timedelta(0))
