"""What looks odd in scopes just given, beside the answer and never instead of it."""

from collections.abc import Iterable

import typer

from issuer.catalogue import NEWEST, lint
from issuer.cli import output


def warn_about(scopes: Iterable[str], whose: str | None = None) -> None:
    """One line on standard error for each finding; of no older AgentOS, which few still run."""
    for finding in lint(scopes, [NEWEST]):
        message = f"{whose}: {finding.message}" if whose else finding.message
        typer.echo(output.escaped(f"Warning: {message}"), err=True)
