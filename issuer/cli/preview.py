"""`issuer preview`."""

import json
from typing import Annotated

import typer

from issuer.cli import completion, output
from issuer.cli.command import given, new_app
from issuer.cli.opening import administering_with_keys
from issuer.cli.options import AsJson, AudienceOfToken, ClientId, Scopes
from issuer.cli.subjects import client_and_user, suggesting_audiences
from issuer.explain.explaining import PreviewRequest

app = new_app()


@app.command()
def preview(
    client: ClientId,
    user: Annotated[
        str | None,
        typer.Option(
            help="The id or the name of the user who signs in.", autocompletion=completion.users
        ),
    ] = None,
    audience: AudienceOfToken = None,
    scopes: Scopes = None,
    as_json: AsJson = False,
) -> None:
    """Show the claims and the size that a token would have, without issuing it.

    Examples:

      issuer preview ci-bot
      issuer preview web --user alice --audience my-os --scope agents:web:run
    """
    with administering_with_keys() as administration:
        subject = client_and_user(administration, user, client) if user else {"client_id": client}
        request = PreviewRequest.read({**subject, **given(audience=audience, scope=scopes)})
        with suggesting_audiences(administration, audience):
            result = administration.explainer.preview(request, administration.clock())
    if as_json:
        output.print_json({"claims": result.claims, "bytes": result.size})
    else:
        print(json.dumps(result.claims, indent=2))
        print(f"\nThe token would have {result.size} bytes.")
