"""`issuer key drill`."""

import time
from typing import TYPE_CHECKING

import typer

from issuer.cli import output
from issuer.cli.command import flag, given, option, wants_json
from issuer.cli.opening import operator, read_settings
from issuer.composition import composed
from issuer.errors import IssuerError
from issuer.vocabulary import SigningAlgorithm

if TYPE_CHECKING:
    from issuer.rotation_drill import Report


def drill_rotation(
    verifiers: list[str] = option(
        "URL",
        "A GET route of an AgentOS that requires a token, or a copy of the key set. Repeatable.",
        "--verifier",
    ),
    client_id: str | None = option(
        "TEXT", "Client of the test tokens, valid a minute. Not needed for key sets."
    ),
    audience: str | None = option("ID", "The AgentOS. Not needed if the client has only one."),
    alg: SigningAlgorithm | None = option(
        "ALG", "Keys of this algorithm. Default: that of the audience."
    ),
    jwks_url: str | None = option("URL", "URL of the issuer's key set, if another from here."),
    rotate: bool = flag("--rotate", "Activate the next key if every check passes."),
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
    from issuer.rotation_drill import Drill, DrillRequest  # noqa: PLC0415 - 6.0 MB

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
    _show(report)


def _wait(seconds: float, reason: str) -> None:
    try:
        typer.echo(reason, err=True)
        time.sleep(seconds)
    except KeyboardInterrupt:
        raise IssuerError("Interrupted while waiting: the old key continues to sign.") from None


def _show(report: "Report") -> None:
    if wants_json.get():
        output.print_json(report.as_json())
    else:
        columns = ["url", "old", "new", "forged", "saw"]
        rows = [
            {"when": when, **each.model_dump()}
            for when, checks in (("before", report.before), ("after", report.after))
            for each in checks
        ]
        output.show_all(rows, ["when", *columns] if report.rotated else columns)
    if not report.ok:
        raise IssuerError(report.verdict)
    if not wants_json.get():
        output.print_text(report.verdict)
