"""`issuer scope`."""

from issuer.catalogue import SUPPORTED, lint, scopes
from issuer.cli import output
from issuer.cli.command import argument, new_app, wants_json
from issuer.cli.options import AgnoVersion

app = new_app("The scopes of AgentOS, by version.")


@app.command("list")
def list_scopes(agno: AgnoVersion = None) -> None:
    """List the scopes of all supported AgentOS versions, or of one.

    Examples:

      issuer scope list
      issuer scope list --agno 3.1 --json
    """
    items = [entry.as_json() for entry in scopes(agno)]
    columns = ["scope", "description", "per_resource", "powerful", "versions"]
    output.show_all(items, columns)


@app.command("lint")
def lint_scopes(
    scope: list[str] = argument("SCOPE", "The scopes of one client or role."),
    agno: AgnoVersion = None,
) -> None:
    """Warn about likely mistakes in a set of scopes. Nothing is refused for them.

    Examples:

      issuer scope lint agents:web:run sesions:read
      issuer scope lint agent_os:admin agents:run --agno 2.8
    """
    findings = lint(scope, SUPPORTED if agno is None else [agno])
    if wants_json.get():
        output.print_json({"items": [finding.as_json() for finding in findings]})
        return
    for finding in findings:
        output.print_text(finding.message)
    if not findings:
        print("No warnings.")
