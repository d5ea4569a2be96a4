"""`warnings` beside the members of a resource: what looks odd in its scopes."""

from collections.abc import Iterable

from pydantic import BaseModel

from issuer.catalogue import NEWEST, lint


class WithWarnings(BaseModel):
    """In the answer to a change only, and only where there are any."""

    warnings: list[str]


def warnings_about(scopes: Iterable[str]) -> list[str]:
    """One sentence for each finding at the newest AgentOS; `/scopes/lint` has them in parts."""
    return [finding.message for finding in lint(scopes, [NEWEST])]
