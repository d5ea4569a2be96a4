"""`issuer review`."""

import csv
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import flag, new_app, option, wants_json
from issuer.cli.opening import managing
from issuer.cli.options import known_clients_and_users
from issuer.fields.spreadsheet import cells
from issuer.fields.text import escape
from issuer.fields.times import duration
from issuer.manifest.exporting import write_yaml
from issuer.review.evidence import COLUMNS, ReviewedScope, as_rows
from issuer.review.proposals import Proposal
from issuer.review.reviewing import Review, access_review
from issuer.usage import within_kept

app = new_app()

UnusedFor = Annotated[
    str, option("DURATION", "For how many days a right was not used, such as 30d.")
]


def _period(text: str) -> timedelta:
    try:
        return within_kept(duration(text))
    except ValueError as error:
        raise typer.BadParameter(f"--unused-for {error}") from None


@app.command("review")
def show_review(
    unused_for: UnusedFor = "30d",
    propose_for: str | None = option(
        "NAME",
        "Print a manifest that gives this client or user only what it used.",
        "--propose",
        complete=known_clients_and_users,
    ),
    as_csv: bool = flag("--csv", "Print the access review: who holds what, a row for each scope."),
) -> None:
    """Show which rights nobody uses, which clients and secrets are not used, and what was refused.

    Needs AgentOS whose verifiers report what is used. Nothing is said about others. Nothing is
    changed: read a proposal, then use `issuer plan` and `issuer apply`.

    Examples:

      issuer review
      issuer review --unused-for 60d --json
      issuer review --csv > access-review.csv
      issuer review --propose ci-bot > ci-bot.yaml
    """
    if as_csv and (propose_for is not None or wants_json.get()):
        raise typer.BadParameter("use --csv without --propose and --json")
    period = _period(unused_for)
    with managing() as administration:
        if as_csv:
            now = administration.clock()
            with administration.reading() as work:
                _write_csv(access_review(work, now, period))
        elif propose_for is not None:
            _print_proposal(administration.propose(propose_for, period))
        else:
            _print_review(administration.review(period))


def _print_review(found: Review) -> None:
    if wants_json.get():
        output.print_json(found.model_dump(mode="json"))
        return
    for coverage in found.coverage:
        if not coverage.is_known:
            output.print_text(f"Unknown what is used at {coverage.audience}: {coverage.reason}.")
    for kind, findings in groupby(found.findings, lambda each: each.kind):
        print(f"\n{kind.value.capitalize()}:")
        for finding in findings:
            output.print_text(f"  {finding.sentence}")
    if not found.findings:
        print("Nothing to remove was found.")
    if not found.is_complete:
        print("\nThere is more. `issuer review --csv` lists what each client and user holds.")


def _print_proposal(proposal: Proposal) -> None:
    if wants_json.get():
        output.print_json(proposal.as_json())
        return
    for audience, held in proposal.before.items():
        enough = proposal.after[audience]
        print(f"# At {escape(audience)}: holds {_in_words(held)}; {_in_words(enough)} is enough.")
    if proposal.note:
        print(f"# {proposal.note}")
    applied = f"issuer apply --expect {proposal.change_count}"
    print(f"# It undoes later changes of what it names: `{applied}` refuses it after any change.")
    print(write_yaml(dict(proposal.manifest)), end="")


def _in_words(scopes: frozenset[str]) -> str:
    return escape(" ".join(sorted(scopes))) or "nothing"


def _write_csv(rows: Iterator[ReviewedScope]) -> None:
    csv.writer(sys.stdout).writerows(cells(as_rows(rows), COLUMNS))
