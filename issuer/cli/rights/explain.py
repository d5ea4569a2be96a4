"""`issuer explain` and `issuer preview`."""

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import argument, flag, given, new_app, option, wants_json
from issuer.cli.confirming import ask
from issuer.cli.opening import (
    client_and_user,
    find_user,
    managing,
    suggesting_audiences,
)
from issuer.cli.options import (
    AgnoVersion,
    AudienceOfToken,
    ClientId,
    Scopes,
    known_audiences,
    known_clients,
    known_clients_and_users,
    known_users,
)
from issuer.composition import Administration, UnitOfWork
from issuer.database.store import every
from issuer.errors import Forbidden, InvalidCredentials, InvalidField, NotFound
from issuer.explain.commands import commands_to_allow
from issuer.explain.explaining import Explanation, PreviewRequest, Question, ScopeSource
from issuer.fields.text import did_you_mean
from issuer.fields.times import until
from issuer.inspection.components import component_in
from issuer.server.own_routes import routes_of

app = new_app()

_HELP = "The id of a client, or the id or name of a user; then the request."
OnBehalfOf = Annotated[
    str | None,
    option(
        "TEXT",
        "The id or the name of a user, for whom the client acts with an exchanged token.",
        complete=known_users,
    ),
]
Origin = Annotated[
    str | None,
    option(
        "ID", "The audience of the token that it exchanges.", "--from", complete=known_audiences
    ),
]


@app.command()
def explain(
    words: list[str] = argument("SUBJECT METHOD PATH", _HELP, known_clients_and_users),
    audience: AudienceOfToken = None,
    client: str | None = option(
        "TEXT", "The client through which the user signs in.", complete=known_clients
    ),
    on_behalf_of: OnBehalfOf = None,
    origin: Origin = None,
    token_stdin: bool = flag("--token-stdin", "A token on standard input, in place of SUBJECT."),
    agno: AgnoVersion = None,
) -> None:
    """Explain whether an AgentOS would allow a request, and why. Nothing is issued.

    If it would be refused, the smallest change that allows it is printed as a command.

    For the audience of the issuer itself, requests to its admin API are explained. The exit
    status is 0 whether the request would be allowed or refused.

    Examples:

      issuer explain ci-bot POST /agents/web/runs --audience my-os
      issuer explain alice GET /agents --client web --audience my-os --agno 3.1
      issuer explain deployer POST /admin/v1/roles --audience https://id.example
      issuer explain os GET /agents --audience b --on-behalf-of al --from a
      issuer explain --token-stdin GET /sessions < token.txt
    """
    if len(words) != (2 if token_stdin else 3):
        raise typer.BadParameter("expected SUBJECT METHOD PATH, or METHOD PATH with --token-stdin")
    *subject_name, method, path = words
    if token_stdin and (client is not None or on_behalf_of is not None):
        raise typer.BadParameter("use --token-stdin without --client and --on-behalf-of")
    with managing(with_keys=True) as administration:
        subject: dict[str, object] = (
            {"token": ask("token", from_stdin=True, otherwise="--token-stdin")}
            if token_stdin
            else _acting(administration, subject_name[0], on_behalf_of, client, origin)
            or client_and_user(administration, subject_name[0], client)
        )
        members = given(audience=audience, method=method, path=path, version=agno)
        question = Question.read({**subject, **members})
        with suggesting_audiences(administration, audience):
            explanation = _explained(administration, question)
        with administration.reading() as work:
            roles = partial(every, work.roles.page, "name", None)
            commands = [] if wants_json.get() else list(commands_to_allow(explanation, roles))
            names = {each.holder: _name(work, each.holder) for each in explanation.via}
            missing = _missing(work, explanation.audience, path)
    if wants_json.get():
        output.print_json(explanation.as_json())
        return
    for sentence in _sentences(explanation, names, alone=subject.keys() == {"user_id"}):
        output.print_text(sentence)
    if missing:
        output.print_text(missing)
    if on_behalf_of is not None and client is None and explanation.decision.allowed:
        output.print_text(
            f"With --client APPLICATION, it is checked whether {on_behalf_of} allowed this there."
        )
    if commands:
        output.print_text("This allows it:")
        for command in commands:
            output.print_text(f"  {shlex.join(['issuer', *command])}")


def _acting(
    administration: Administration,
    name: str,
    user: str | None,
    client: str | None,
    origin: str | None,
) -> dict[str, object]:
    """A client that acts on behalf of a user; empty if no user is named."""
    if (user is None) != (origin is None):
        raise typer.BadParameter("use --on-behalf-of together with --from")
    if user is None:
        return {}
    with administration.reading() as work:
        user_id = find_user(work, user).id
    told = given(user_id=user_id, client_id=client, audience=origin)
    return {"client_id": name, "on_behalf_of": told}


def _explained(administration: Administration, question: Question) -> Explanation:
    administration.explainer.own_api.routes = partial(routes_of, administration.settings)
    try:
        return administration.explainer.explain(question)
    except InvalidCredentials as error:
        raise InvalidField("token", error.reason) from None


def _missing(work: UnitOfWork, audience: str, path: str) -> str:
    """A sentence about the agent, team or workflow of `path` if the last inspection lacks it."""
    named, found = component_in(path), work.inspections.components_of(audience)
    if named is None or found is None or found.has(*named):
        return ""
    family, id_ = named
    meant = did_you_mean(id_, [each.id for each in found.of(family)])
    on = f"{found.inspected_at:%Y-%m-%d %H:%M} UTC"
    return f"There is no {family.removesuffix('s')} {id_!r} at {audience}, inspected {on}.{meant}"


def _name(work: UnitOfWork, holder: str) -> str:
    """A user's name; of others the id."""
    try:
        return work.users.get(holder).username
    except (NotFound, Forbidden):
        return holder


def _sentences(explanation: Explanation, names: Mapping[str, str], *, alone: bool) -> Iterator[str]:
    decision = explanation.decision
    yield f"{'Allowed' if decision.allowed else 'Refused'}: {decision.reason}"
    for source in explanation.via:
        yield _source(source, names[source.holder])
    if explanation.actors:
        newest, *earlier = explanation.actors
        through = f", through {', '.join(earlier)}" if earlier else ""
        yield f"The token is one with which {newest} acts for its subject{through}."
    if explanation.jkt is not None:
        yield f"It opens nothing without a proof by the key {explanation.jkt} (DPoP)."
    if decision.listing == "all":
        yield "The list shows everything."
    if decision.smallest_addition:
        yield f"The smallest addition that would allow it: {', '.join(decision.smallest_addition)}."
        yield f"Scopes held: {', '.join(explanation.held) or 'nothing'}."
    if alone:
        yield "This assumes a client with the same rights; use --client to name one."


def _source(source: ScopeSource, holder: str) -> str:
    if source.role is None:
        return f"{holder} has {source.scope} directly{until(source.expires_at)}."
    where = "everywhere" if source.audience is None else f"at {source.audience}"
    through = f", through {source.through}" if source.through else ""
    role = f"the role {source.role}, assigned {where}{through}"
    return f"{holder} has {source.scope} through {role}{until(source.expires_at)}."


@app.command()
def preview(
    client: ClientId,
    user: str | None = option(
        "TEXT", "The id or the name of the user who signs in.", complete=known_users
    ),
    audience: AudienceOfToken = None,
    scopes: Scopes = None,
    on_behalf_of: OnBehalfOf = None,
    through: str | None = option(
        "TEXT",
        "The client through which that user signed in.",
        "--client",
        complete=known_clients,
    ),
    origin: Origin = None,
) -> None:
    """Show the claims and the size that a token would have, without issuing it.

    Examples:

      issuer preview ci-bot
      issuer preview web --user alice --audience my-os --scope agents:web:run
      issuer preview os --audience b --on-behalf-of al --from a --client web
    """
    if on_behalf_of is not None and user is not None:
        raise typer.BadParameter("use either --user or --on-behalf-of")
    with managing(with_keys=True) as administration:
        subject = _acting(administration, client, on_behalf_of, through, origin) or (
            client_and_user(administration, user, client) if user else {"client_id": client}
        )
        request = PreviewRequest.read({**subject, **given(audience=audience, scope=scopes)})
        with suggesting_audiences(administration, audience):
            result = administration.preview(request)
    if wants_json.get():
        output.print_json({"claims": result.claims, "bytes": result.size})
    else:
        print(json.dumps(result.claims, indent=2))
        print(f"\nThe token would have {result.size} bytes.")
