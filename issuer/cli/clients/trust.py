"""`issuer client trust`."""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import flag, new_app, option, wants_json
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import administering, changing, reading
from issuer.cli.options import ClientId, KeepCredentials, known_trusted_issuers
from issuer.clients.trust import Trust
from issuer.clients.trust_presets import Workload, preset
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, IssuerError, NotFound

app = new_app("Tokens of other issuers that authenticate a client in place of a secret.")

_MAX_TOKEN = 16 * 1024


def _option(metavar: str, text: str) -> Any:
    return Annotated[str | None, option(metavar, text)]


_OPTIONS = {
    "issuer": Annotated[
        str | None,
        option(
            "ID",
            "The id of the trusted issuer. Not needed where the other options say which.",
            complete=known_trusted_issuers,
        ),
    ],
    "kubernetes": _option("NAMESPACE/NAME", "A Kubernetes service account."),
    "github": _option("OWNER/REPOSITORY", "Workflows of a repository on GitHub."),
    "gitlab": _option("GROUP/PROJECT", "Pipelines of a project on GitLab."),
    "spiffe": _option("spiffe://DOMAIN/PATH", "A SPIFFE id."),
    "entra": _option("TENANT/OBJECT", "A managed identity of Microsoft Entra, by ids."),
    "oidc": _option("SUBJECT", "The sub of the tokens of any other issuer."),
    "branch": _option("NAME", "With --github and --gitlab: of this branch."),
    "tag": _option("NAME", "With --github and --gitlab: of this tag."),
    "environment": _option("NAME", "With --github: of this environment."),
    "owner_id": _option("NUMBER", "With --github: the id of the owner."),
    "repository_id": _option("NUMBER", "With --github: that of the repository."),
    "names_only": Annotated[
        bool,
        flag(
            "--names-only",
            "With --github: its sub has no ids, as of most repositories made before July 15,"
            " 2026. The ids are compared as claims.",
        ),
    ],
    "project_id": _option("NUMBER", "With --gitlab: the id of the project."),
    "namespace_id": _option("NUMBER", "With --gitlab: the id of the group."),
    "audience": _option("TEXT", "The aud of its tokens. Default: ISSUER_URL."),
    "claims": Annotated[
        list[str] | None,
        option("NAME=JSON", "A claim, compared as a whole JSON value. Repeatable.", "--claim"),
    ],
    "once": Annotated[bool, flag("--once", "Accept each token once only.")],
    "keep_credentials": KeepCredentials,
}


@app.command("list")
def list_trusts(client: ClientId) -> None:
    """List the trusts of a client.

    Examples:

      issuer client trust list ci-bot
    """
    with reading() as work:
        trusts = work.clients.get(client).trusts
    columns = ["issuer", "subject", "audience", "claims", "once"]
    output.show_all(trusts, columns)


@app.command("add", parameters={"client": ClientId, **_OPTIONS})
def add_trust(
    client: str,
    issuer: str | None = None,
    audience: str | None = None,
    claims: list[str] | None = None,
    once: bool = False,
    keep_credentials: list[str] | None = None,
    **options: Any,
) -> None:
    """Let tokens of another issuer authenticate a client. Everything is compared exactly.

    The trusted issuers for github.com and gitlab.com are made if they are missing. --github and
    --gitlab need --branch, --tag or --environment, and the ids of owner and repository or of
    namespace and project, which are never used again.

    Examples:

      issuer client trust add ci-bot --issuer cluster --kubernetes prod/web
      issuer client trust add ci-bot --issuer mesh --spiffe spiffe://prod/web
      issuer client trust add ci-bot --issuer auth0 --oidc a1b2c3@clients
    """
    try:
        found = preset(Workload(**options))
    except InvalidField as error:
        name = error.field.replace("_", "-")
        raise typer.BadParameter(f"--{name} {error.message}") from None
    members = {
        "subject": found.subject,
        "audience": audience,
        "claims": {**found.claims, **_claims(claims)},
        "once": once,
    }
    with changing(keep_credentials) as work:
        if not issuer:
            if found.issuer is None:
                raise typer.BadParameter("--issuer is required: whose tokens they are")
            issuer = work.trusted_issuers.known_by_url(found.issuer).id
        trust = Trust.read({"issuer": issuer, **members})
        _update(work, client, [*work.clients.get(client).trusts, trust])
    output.show(trust)


@app.command("remove")
def remove_trust(
    client: ClientId,
    issuer: str = option("ID", "The id of the trusted issuer."),
    subject: str = option("TEXT", "The subject of the trust."),
    yes: Yes = False,
) -> None:
    """Remove a trust of a client. Tokens that were issued before stay valid.

    On a terminal it asks first.

    Examples:

      issuer client trust remove ci-bot --issuer mesh --subject spiffe://prod/web
    """
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            trusts = work.clients.get(client).trusts
            left = [each for each in trusts if (each.issuer, each.subject) != (issuer, subject)]
            if len(left) == len(trusts):
                raise NotFound("trust", f"{issuer} {subject}")
            _update(work, client, left)
            confirmation.require_on_terminal(
                f"refuse the tokens of {subject} of {issuer} that authenticate {client}"
            )
    removed = {"removed": len(trusts) - len(left)}
    output.say(f"Removed the trust in {subject} of {issuer}.", removed)


@app.command("explain")
def explain_trust(client: ClientId) -> None:
    """Read a token from standard input and say whether it authenticates the client, or why not.

    Nothing is issued, and a token that is accepted once only is not used up.

    Examples:

      issuer client trust explain ci-bot < token.jwt
    """
    text = sys.stdin.read(_MAX_TOKEN + 1).strip()
    with administering() as administration:
        assertions = administration.client_assertions
        found = assertions.explained(client, text)
        if found.fetch_keys is not None:
            asyncio.run(found.fetch_keys())
            found = assertions.explained(client, text)
    items = [asdict(each) for each in found.trusts]
    accepted = any(each.rule is None for each in found.trusts)
    if wants_json.get():
        output.print_json({"accepted": accepted, "trusts": items})
    else:
        for each in found.trusts:
            output.print_text(f"{each.issuer} {each.subject}: {each.rule or 'accepted'}")
        output.print_text(f"{'Accepted' if accepted else 'Refused'} as {client}.")
    if not accepted:
        raise typer.Exit(1)


def _update(work: UnitOfWork, client: str, trusts: list[Trust]) -> None:
    patch = {"trusts": [trust.model_dump(mode="json") for trust in trusts]}
    work.clients.update(client, patch)


def _claims(texts: list[str] | None) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        try:
            claims[name] = json.loads(value)
        except (ValueError, RecursionError):
            raise typer.BadParameter('--claim is NAME=JSON, such as ref_protected="true"') from None
        if not (name and equals):
            raise IssuerError("--claim is NAME=JSON.")
    return claims
