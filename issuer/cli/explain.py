"""`issuer explain`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from issuer.cli import completion, output
from issuer.cli.asking import ask
from issuer.cli.command import given, new_app
from issuer.cli.opening import opened
from issuer.cli.options import AgnoVersion, AsJson, AudienceOfToken
from issuer.cli.subjects import client_and_user
from issuer.composition import Composition
from issuer.errors import InvalidCredentials, InvalidField
from issuer.explaining import Explanation, Question, ScopeSource

app = new_app()

_HELP = "Who asks for what: the id of a client, or the id or name of a user; then the request."


@app.command()
def explain(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WHO METHOD PATH", help=_HELP, autocompletion=completion.clients_and_users
        ),
    ],
    audience: AudienceOfToken = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="The client through which the user WHO signs in.",
            autocompletion=completion.clients,
        ),
    ] = None,
    token_stdin: Annotated[
        bool,
        typer.Option("--token-stdin", help="WHO is left out: a token on standard input instead."),
    ] = False,
    agno: AgnoVersion = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an AgentOS would allow a request, and why. Nothing is issued.

    At the audience of the issuer itself it is the issuer that would, at its own admin API.
    The answer may be yes or no: either way it is an answer, and the exit status 0.

    Examples:

      issuer explain ci-bot POST /agents/web/runs --audience my-os
      issuer explain alice GET /agents --client web --audience my-os --agno 3.1
      issuer explain deployer POST /admin/v1/roles --audience https://id.example
      issuer explain --token-stdin GET /sessions < token.txt
    """
    *who, method, path = _words(words, 2 if token_stdin else 3)
    if token_stdin and client is not None:
        raise typer.BadParameter("a token says whose it is: it goes with no --client")
    with opened() as parts:
        parts.keys.keyring.reload()
        subject = _token() if token_stdin else client_and_user(parts, who[0], client)
        members = given(audience=audience, method=method, path=path, version=agno)
        found = _explained(parts, Question.read({**subject, **members}))
    if as_json:
        output.print_json(_as_json(found))
    else:
        for sentence in _sentences(found, alone=subject.keys() == {"user_id"}):
            output.print_text(sentence)


def _words(words: list[str], wanted: int) -> list[str]:
    if len(words) != wanted:
        raise typer.BadParameter("say WHO METHOD PATH, or with --token-stdin METHOD PATH")
    return words


def _token() -> dict[str, object]:
    return {"token": ask("token", from_stdin=True, otherwise="--token-stdin")}


def _explained(parts: Composition, question: Question) -> Explanation:
    try:
        return parts.administration.explainer.explain(question)
    except InvalidCredentials as error:
        raise InvalidField("token", error.reason) from None


def _as_json(found: Explanation) -> dict[str, Any]:
    """As the admin API has it."""
    decision = found.decision.as_json()
    by = decision.pop("by")
    return {
        **decision,
        "scope": by[0] if by else None,
        "via": [asdict(source) for source in found.via],
        "held": list(found.held),
    }


def _sentences(found: Explanation, *, alone: bool) -> Iterator[str]:
    decision = found.decision
    yield f"{'Allowed' if decision.allowed else 'Refused'}: {decision.reason}"
    yield from map(_source, found.via)
    if decision.listing == "all":
        yield "The list shows everything."
    if decision.smallest_addition:
        yield f"The smallest addition that opens it: {', '.join(decision.smallest_addition)}."
        yield f"Held there: {', '.join(found.held) or 'nothing'}."
    if alone:
        yield "That is with a client that has the same rights: --client names one."


def _source(source: ScopeSource) -> str:
    if source.role is None:
        return f"{source.holder} has {source.scope} directly."
    where = "everywhere" if source.audience is None else f"at {source.audience}"
    return f"{source.holder} has {source.scope} through the role {source.role}, given {where}."
