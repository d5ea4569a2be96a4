"""`warnings` beside the members of a resource: likely mistakes in its scopes."""

from collections.abc import Iterable

from pydantic import BaseModel

from issuer.catalogue import NEWEST, lint


class WithWarnings(BaseModel):
    """A resource with warnings; only in responses to changes."""

    warnings: list[str]


def warnings_about(scopes: Iterable[str]) -> list[str]:
    """One sentence for each finding for the newest AgentOS; `/scopes/lint` has the details."""
    return [finding.message for finding in lint(scopes, [NEWEST])]
