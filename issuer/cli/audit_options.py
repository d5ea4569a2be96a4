"""Options that choose audit events."""

from datetime import datetime
from typing import Annotated

import typer

from issuer.cli.options import instant

ByActor = Annotated[str | None, typer.Option(help="Who did it, such as cli:alice.")]
OfAction = Annotated[str | None, typer.Option(help="What was done, such as client.created.")]
OnTarget = Annotated[str | None, typer.Option(help="What it was done to, by id or name.")]
FromAddress = Annotated[str | None, typer.Option(help="The address that it came from.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=instant,
        metavar="TIME",
        help="From this time on: 2026-11-01 (UTC), or 1h (ago).",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=instant, metavar="TIME", help="Before this time, in the same formats."),
]
