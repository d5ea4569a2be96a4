"""`issuer client trust add` and `explain`."""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import given, option, wants_json
from issuer.cli.members import options_within
from issuer.cli.opening import administering, changing
from issuer.cli.options import ClientId, KeepCredentials, known_trusted_issuers
from issuer.clients.trust import Trust, patch_of_trusts
from issuer.clients.trust_presets import Workload, preset
from issuer.errors import InvalidField, IssuerError

_MAX_TOKEN = 16 * 1024
_OF_TRUST = options_within(Trust)
OPTIONS_OF_TRUSTS = {
    "client": ClientId,
    "issuer": Annotated[
        str | None,
        option(
            "ID",
            "The id of the trusted issuer. Not needed where the other options say which.",
            complete=known_trusted_issuers,
        ),
    ],
    **options_within(Workload),
    "audience": _OF_TRUST["audience"],
    "claims": Annotated[
        list[str] | None,
        option("NAME=JSON", "A claim, compared as a whole JSON value. Repeatable.", "--claim"),
    ],
    "once": _OF_TRUST["once"],
    "keep_credentials": KeepCredentials,
}


def add_trust(
    client: str,
    issuer: str | None = None,
    audience: object = None,
    claims: list[str] | None = None,
    once: bool | None = None,
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
        found = preset(Workload.read(given(**options)))
    except InvalidField as error:
        name = error.field.replace("_", "-")
        raise typer.BadParameter(f"--{name} {error.message}") from None
    members = {
        **given(audience=audience, once=once),
        "subject": found.subject,
        "claims": {**found.claims, **_claims(claims)},
    }
    with changing(keep_credentials) as work:
        if not issuer:
            if found.issuer is None:
                raise typer.BadParameter("--issuer is required: whose tokens they are")
            issuer = work.trusted_issuers.find_by_url(found.issuer).id
        trust = Trust.read({"issuer": issuer, **members})
        trusts = [*work.clients.get(client).trusts, trust]
        work.clients.update(client, patch_of_trusts(trusts))
    output.show(trust)


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
    accepted = any(each.rule is None for each in found.trusts) or client in found.by_grant
    if wants_json.get():
        output.print_json({"accepted": accepted, "trusts": items, "by_grant": found.by_grant})
    else:
        for each in found.trusts:
            output.print_text(f"{each.issuer} {each.subject}: {each.rule or 'accepted'}")
        output.print_text(f"{'Accepted' if accepted else 'Refused'} as {client}.")
        output.print_text(found.by_grant_in_words)
    if not accepted:
        raise typer.Exit(1)


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
