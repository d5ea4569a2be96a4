"""`issuer explain`."""

import shlex
from collections.abc import Iterator
from typing import Annotated

import typer

from issuer.cli import completion, output
from issuer.cli.asking import ask
from issuer.cli.command import given, new_app
from issuer.cli.commands_to_allow import commands_to_allow
from issuer.cli.opening import administering_with_keys
from issuer.cli.options import AgnoVersion, AsJson, AudienceOfToken
from issuer.cli.subjects import client_and_user, suggesting_audiences
from issuer.composition import Administration
from issuer.errors import InvalidCredentials, InvalidField
from issuer.explain.explaining import Explanation, Question, ScopeSource

app = new_app()

_HELP = "The id of a client, or the id or name of a user; then the request."


@app.command()
def explain(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SUBJECT METHOD PATH", help=_HELP, autocompletion=completion.clients_and_users
        ),
    ],
    audience: AudienceOfToken = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="The client through which the user signs in.",
            autocompletion=completion.clients,
        ),
    ] = None,
    token_stdin: Annotated[
        bool,
        typer.Option("--token-stdin", help="A token on standard input, in place of SUBJECT."),
    ] = False,
    agno: AgnoVersion = None,
    as_json: AsJson = False,
) -> None:
    """Explain whether an AgentOS would allow a request, and why. Nothing is issued.

    If it would be refused, the smallest change that allows it is printed as a command.

    For the audience of the issuer itself, requests to its admin API are explained. The exit
    status is 0 whether the request would be allowed or refused.

    Examples:

      issuer explain ci-bot POST /agents/web/runs --audience my-os
      issuer explain alice GET /agents --client web --audience my-os --agno 3.1
      issuer explain deployer POST /admin/v1/roles --audience https://id.example
      issuer explain --token-stdin GET /sessions < token.txt
    """
    *subject_name, method, path = _words(words, 2 if token_stdin else 3)
    if token_stdin and client is not None:
        raise typer.BadParameter("use either --client or --token-stdin")
    with administering_with_keys() as administration:
        subject = (
            _token() if token_stdin else client_and_user(administration, subject_name[0], client)
        )
        members = given(audience=audience, method=method, path=path, version=agno)
        question = Question.read({**subject, **members})
        with suggesting_audiences(administration, audience):
            explanation = _explained(administration, question)
        with administration.reading() as work:
            commands = [] if as_json else list(commands_to_allow(explanation, work))
    if as_json:
        output.print_json(explanation.as_json())
        return
    for sentence in _sentences(explanation, alone=subject.keys() == {"user_id"}):
        output.print_text(sentence)
    if commands:
        output.print_text("This allows it:")
        for command in commands:
            output.print_text(f"  {shlex.join(['issuer', *command])}")


def _words(words: list[str], count: int) -> list[str]:
    if len(words) != count:
        raise typer.BadParameter("expected SUBJECT METHOD PATH, or METHOD PATH with --token-stdin")
    return words


def _token() -> dict[str, object]:
    return {"token": ask("token", from_stdin=True, otherwise="--token-stdin")}


def _explained(administration: Administration, question: Question) -> Explanation:
    try:
        return administration.explainer.explain(question)
    except InvalidCredentials as error:
        raise InvalidField("token", error.reason) from None


def _sentences(explanation: Explanation, *, alone: bool) -> Iterator[str]:
    decision = explanation.decision
    yield f"{'Allowed' if decision.allowed else 'Refused'}: {decision.reason}"
    yield from map(_source, explanation.via)
    if decision.listing == "all":
        yield "The list shows everything."
    if decision.smallest_addition:
        yield f"The smallest addition that would allow it: {', '.join(decision.smallest_addition)}."
        yield f"Scopes held: {', '.join(explanation.held) or 'nothing'}."
    if alone:
        yield "This assumes a client with the same rights; use --client to name one."


def _source(source: ScopeSource) -> str:
    if source.role is None:
        return f"{source.holder} has {source.scope} directly."
    where = "everywhere" if source.audience is None else f"at {source.audience}"
    return f"{source.holder} has {source.scope} through the role {source.role}, assigned {where}."
