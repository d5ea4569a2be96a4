"""`issuer audience inspect`."""

from functools import partial
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import argument, flag, option, wants_json
from issuer.cli.opening import managing, operator
from issuer.cli.options import known_audiences
from issuer.inspection.components import FoundComponents, InspectionReport, Severity

AudienceId = Annotated[str, argument("AUDIENCE", "The id of the AgentOS.", known_audiences)]
_FOUND = 3


def inspect_audience(
    audience: AudienceId,
    url: str | None = option("URL", "Where the AgentOS is, if not at the URL of the audience."),
    sarif: bool = flag("--sarif", "Print SARIF 2.1.0, for code scanning services."),
    fail_on: Annotated[
        Severity,
        option("SEVERITY", "Exit status 3 for findings from this severity on: high, medium, low."),
    ] = Severity.LOW,
) -> None:
    """Ask an AgentOS what it consists of, and which routes answer without the right token.

    Sends at most 200 requests in at most 45 seconds, all of them GET, and follows no redirect. Its
    tokens live for a minute: one may read names and the configuration, the others nothing. The
    result is stored.

    The exit status is 0 if nothing was found, 3 if something was, and 1 if the AgentOS cannot be
    inspected. Rules and remedies: docs/reference/inspection.md.

    Examples:

      issuer audience inspect my-os
      issuer audience inspect my-os --url https://os.example --fail-on high
      issuer audience inspect my-os --sarif > inspection.sarif
    """
    if sarif and wants_json.get():
        raise typer.BadParameter("use either --json or --sarif")
    with managing(with_keys=True) as administration:
        opening = partial(administration.changing, operator())
        report = administration.inspector.inspect(opening, audience, url)
    if sarif:
        from issuer.inspection.sarif import as_sarif  # noqa: PLC0415 - 9.0 MB

        output.print_json(as_sarif(report))
    elif wants_json.get():
        output.print_json(report.model_dump(mode="json"))
    else:
        _show(report)
    if any(each.severity.is_at_least(fail_on) for each in report.findings):
        raise typer.Exit(_FOUND)


def _show(report: InspectionReport) -> None:
    found = report.components
    output.print_text(f"{report.audience} at {report.url}, agno {found.agno_version or 'unknown'}")
    for name in ("agents", "teams", "workflows"):
        output.print_text(f"{name}: {_names(found, name)}")
    output.print_text(f"interfaces: {', '.join(found.interfaces) or 'none'}")
    if not report.findings:
        output.print_text("Nothing was found that is exposed.")
        return
    output.show_all(report.findings, ["severity", "rule", "evidence", "remedy"])


def _names(found: FoundComponents, kind: str) -> str:
    """Names, with ids that are others."""
    named = (
        each.id if each.name == each.id else f"{each.name} ({each.id})"
        for each in getattr(found, kind)
    )
    return ", ".join(named) or "none"
