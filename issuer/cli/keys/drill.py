"""`issuer key drill`."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import given
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.composition import composed
from issuer.errors import IssuerError
from issuer.rotation_drill import Drill, DrillRequest, Report
from issuer.vocabulary import SigningAlgorithm


def drill_rotation(
    verifiers: Annotated[
        list[str],
        typer.Option(
            "--verifier",
            metavar="URL",
            help="A GET route of an AgentOS that requires a token, or a copy of the key set."
            " Repeatable.",
        ),
    ],
    client_id: Annotated[
        str | None,
        typer.Option(help="Client of the test tokens, valid a minute. Not needed for key sets."),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The AgentOS. Not needed if the client has only one."),
    ] = None,
    alg: Annotated[
        SigningAlgorithm | None,
        typer.Option(metavar="ALG", help="Keys of this algorithm. Default: that of the audience."),
    ] = None,
    jwks_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="URL of the issuer's key set, if another from here."),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Activate the next key if every check passes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rehearse a rotation: check that every verifier would accept the next key.

    Waits until verifiers must have fetched it. Then sends each a token of the old key, one of the
    new key, and a forged one. If a check fails, the old key continues to sign and the exit status
    is 1.

    Examples:

      issuer key drill --verifier http://127.0.0.1:7777/agents --client-id ci-bot
      issuer key drill --verifier https://os.example/ --client-id ci-bot --rotate
      issuer key drill --verifier https://proxy.example/jwks.json
    """
    request = DrillRequest.read(
        given(
            verifiers=verifiers,
            client_id=client_id,
            audience=audience,
            alg=alg,
            jwks_url=jwks_url,
            rotate=rotate,
        )
    )
    with composed(read_settings()) as parts:
        using = (parts.administration, parts.tokens.issuer)
        report = Drill(*using, operator(), wait=_wait).run(request)
    _show(report, as_json=as_json)


def _wait(seconds: float, reason: str) -> None:
    try:
        typer.echo(reason, err=True)
        time.sleep(seconds)
    except KeyboardInterrupt:
        raise IssuerError("Interrupted while waiting: the old key continues to sign.") from None


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        output.print_json(report.as_json())
    else:
        columns = ["url", "old", "new", "forged", "saw"]
        output.show_all(
            _rows(report), ["when", *columns] if report.rotated else columns, as_json=False
        )
    if not report.ok:
        raise IssuerError(report.verdict)
    if not as_json:
        output.print_text(report.verdict)


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    for when, checks in (("before", report.before), ("after", report.after)):
        for each in checks:
            yield {"when": when, **each.model_dump()}
