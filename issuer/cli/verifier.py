"""`issuer verifier`."""

from typing import Any

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import reading
from issuer.cli.options import AsJson
from issuer.verifiers import REMEDY, DescribedVerifier

app = new_app("The AgentOS that say which signing keys they hold.")


@app.callback()
def verifiers() -> None:
    """Makes `verifier` a group, although it has only one command."""


@app.command("list")
def list_verifiers(as_json: AsJson = False) -> None:
    """List the verifiers that reported in the last day, one for each process of an AgentOS.

    A live one reported in the last three minutes. Nobody verifies what they say, and software that
    reports nothing is not listed.

    Examples:

      issuer verifier list
      issuer verifier list --json
    """
    with reading() as work:
        found, left_out = work.verifiers.all(), work.verifiers.left_out()
    if left_out is not None:
        # On standard error: not a part of the list.
        typer.echo(f"Warning: {left_out}: more reported than are kept. {REMEDY}", err=True)
    if as_json:
        output.show_all(found, [], as_json=True)
    elif not found:
        print("No verifier reported in the last day.")
    else:
        columns = ["audience", "address", "verifier", "agno", "seen_at", "live", "next_key"]
        output.show_all(map(_row, found), columns, as_json=False)


def _row(verifier: DescribedVerifier) -> dict[str, Any]:
    return {
        **verifier.model_dump(mode="json"),
        "verifier": verifier.adapter_version,
        "agno": verifier.agno_version,
        "seen_at": f"{verifier.seen_at:%Y-%m-%d %H:%M:%S}",
        "next_key": "lacked" if verifier.missing_kid else "held",
    }
