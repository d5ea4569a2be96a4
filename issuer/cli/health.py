"""`issuer health`."""

from typing import Annotated

import httpx
import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.options import AsJson
from issuer.errors import Unavailable
from issuer.settings import Settings

app = new_app()

_SECONDS = 3
_HERE = "http://127.0.0.1:9000"


@app.command()
def health(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Base URL of the server. Default: {_HERE} with the path of ISSUER_URL.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that the server on this machine responds, for a container's health check.

    Examples:

      issuer health
      issuer health --url http://127.0.0.1:9001
    """
    base = _HERE + Settings.from_environment().base_path if url is None else url
    endpoint = base.rstrip("/") + "/healthz"
    try:
        authorities = httpx.create_ssl_context()
        answer = httpx.get(endpoint, timeout=_SECONDS, verify=authorities, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{endpoint} does not answer: {error}.") from None
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"{endpoint} answers {answer.status_code}.")
    output.say(f"{endpoint} answers: OK.", {"status": "ok"}, as_json=as_json)
