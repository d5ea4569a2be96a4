"""Warnings about scopes, printed beside the result and never in place of it."""

from collections.abc import Iterable

import typer

from issuer.catalogue import NEWEST, lint
from issuer.fields.text import escaped


def warn_about(scopes: Iterable[str], holder: str | None = None) -> None:
    """One line on standard error per finding, for the newest AgentOS: few run an older one."""
    for finding in lint(scopes, [NEWEST]):
        message = f"{holder}: {finding.message}" if holder else finding.message
        typer.echo(escaped(f"Warning: {message}"), err=True)
