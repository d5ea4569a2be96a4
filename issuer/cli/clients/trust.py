"""`issuer client trust`."""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.collection import add_command
from issuer.cli.command import new_app
from issuer.cli.opening import administering, changing, reading
from issuer.cli.options import AsJson, ClientId, KeepCredentials, known_trusted_issuers
from issuer.clients.trust import Trust
from issuer.clients.trust_presets import Preset, Workload, preset
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, IssuerError, NotFound

app = new_app("Tokens of other issuers that authenticate a client in place of a secret.")

_MAX_TOKEN = 16 * 1024


def _option(name: str, metavar: str, text: str) -> Any:
    return Annotated[str | None, typer.Option(f"--{name}", metavar=metavar, help=text)]


_OPTIONS = {
    "issuer": Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The id of the trusted issuer. Not needed where the other options say which.",
            autocompletion=known_trusted_issuers,
        ),
    ],
    "kubernetes": _option("kubernetes", "NAMESPACE/NAME", "A Kubernetes service account."),
    "github": _option("github", "OWNER/REPOSITORY", "Workflows of a repository on GitHub."),
    "gitlab": _option("gitlab", "GROUP/PROJECT", "Pipelines of a project on GitLab."),
    "spiffe": _option("spiffe", "spiffe://DOMAIN/PATH", "A SPIFFE id."),
    "entra": _option("entra", "TENANT/OBJECT", "A managed identity of Microsoft Entra, by ids."),
    "oidc": _option("oidc", "SUBJECT", "The sub of the tokens of any other issuer."),
    "branch": _option("branch", "NAME", "With --github and --gitlab: of this branch."),
    "tag": _option("tag", "NAME", "With --github and --gitlab: of this tag."),
    "environment": _option("environment", "NAME", "With --github: of this environment."),
    "owner_id": _option("owner-id", "NUMBER", "With --github: the id of the owner."),
    "repository_id": _option("repository-id", "NUMBER", "With --github: that of the repository."),
    "names_only": Annotated[
        bool,
        typer.Option(
            "--names-only",
            help="With --github: its sub has no ids, as of most repositories made before July 15,"
            " 2026. The ids are compared as claims.",
        ),
    ],
    "project_id": _option("project-id", "NUMBER", "With --gitlab: the id of the project."),
    "namespace_id": _option("namespace-id", "NUMBER", "With --gitlab: the id of the group."),
    "audience": _option("audience", "TEXT", "The aud of its tokens. Default: ISSUER_URL."),
    "claims": Annotated[
        list[str] | None,
        typer.Option(
            "--claim",
            metavar="NAME=JSON",
            help="A claim, compared as a whole JSON value. Repeatable.",
        ),
    ],
    "once": Annotated[bool, typer.Option("--once", help="Accept each token once only.")],
    "keep_credentials": KeepCredentials,
}


@app.command("list")
def list_trusts(client: ClientId, as_json: AsJson = False) -> None:
    """List the trusts of a client.

    Examples:

      issuer client trust list ci-bot
    """
    with reading() as work:
        trusts = work.clients.get(client).trusts
    columns = ["issuer", "subject", "audience", "claims", "once"]
    output.show_all(trusts, columns, as_json=as_json)


def _add(
    client: str,
    issuer: str | None,
    audience: str | None,
    claims: list[str] | None,
    once: bool,
    as_json: bool,
    keep_credentials: list[str] | None,
    **options: Any,
) -> None:
    found = _preset(Workload(**options))
    members = {
        "subject": found.subject,
        "audience": audience,
        "claims": {**found.claims, **_claims(claims)},
        "once": once,
    }
    with changing(keep_credentials) as work:
        trust = Trust.read({"issuer": issuer or _issuer_of(work, found), **members})
        _update(work, client, [*work.clients.get(client).trusts, trust])
    output.show(trust, as_json=as_json)


add_command(
    app,
    "add",
    {"client": ClientId, **_OPTIONS},
    """Let tokens of another issuer authenticate a client. Everything is compared exactly.

    The trusted issuers for github.com and gitlab.com are made if they are missing. --github and
    --gitlab need --branch, --tag or --environment, and the ids of owner and repository or of
    namespace and project, which are never used again.

    Examples:

      issuer client trust add ci-bot --issuer cluster --kubernetes prod/web
      issuer client trust add ci-bot --issuer mesh --spiffe spiffe://prod/web
      issuer client trust add ci-bot --issuer auth0 --oidc a1b2c3@clients
    """,
    _add,
)


@app.command("remove")
def remove_trust(
    client: ClientId,
    issuer: Annotated[str, typer.Option(metavar="ID", help="The id of the trusted issuer.")],
    subject: Annotated[str, typer.Option(metavar="TEXT", help="The subject of the trust.")],
    as_json: AsJson = False,
) -> None:
    """Remove a trust of a client. Tokens that were issued before stay valid.

    Examples:

      issuer client trust remove ci-bot --issuer mesh --subject spiffe://prod/web
    """
    with changing() as work:
        trusts = work.clients.get(client).trusts
        left = [each for each in trusts if (each.issuer, each.subject) != (issuer, subject)]
        if len(left) == len(trusts):
            raise NotFound("trust", f"{issuer} {subject}")
        _update(work, client, left)
    removed = {"removed": len(trusts) - len(left)}
    output.say(f"Removed the trust in {subject} of {issuer}.", removed, as_json=as_json)


@app.command("explain")
def explain_trust(client: ClientId, as_json: AsJson = False) -> None:
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
    if as_json:
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


def _preset(workload: Workload) -> Preset:
    try:
        return preset(workload)
    except InvalidField as error:
        option = error.field.replace("_", "-")
        raise typer.BadParameter(f"--{option} {error.message}") from None


def _issuer_of(work: UnitOfWork, found: Preset) -> str:
    if found.issuer is None:
        raise typer.BadParameter("--issuer is required: whose tokens they are")
    return work.trusted_issuers.known_by_url(found.issuer).id


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
