"""`issuer health`."""

from typing import Annotated

import httpx
import typer

from issuer.cli import output
from issuer.cli.api_client import metadata_at
from issuer.cli.command import new_app
from issuer.cli.options import AsJson
from issuer.errors import IssuerError, Unavailable
from issuer.settings import Settings

app = new_app()

_SECONDS = 2  # for each of two requests; the image waits 5 s for both


@app.command()
def health(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Base URL of the server. Default: http://127.0.0.1 with the port of `issuer serve`"
            " and the path of ISSUER_URL.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, metavar="PORT", help="Another port than the default one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that the server on this machine responds, for a container's health check.

    Another server at that address is an error, also if it is an issuer with another URL.

    Examples:

      issuer health
      issuer health --port 9001
      issuer health --url https://id.example
    """
    if url is not None and port is not None:
        raise typer.BadParameter("use either --url or --port")
    settings = Settings.from_environment()
    here = f"http://127.0.0.1:{port or settings.local_port}{settings.base_path}"
    base = (here if url is None else url).rstrip("/")
    _require_alive(f"{base}/healthz")
    if (issuer := metadata_at(base, _SECONDS).get("issuer")) != settings.url:
        raise IssuerError(
            f"{base} is the server of another issuer, {issuer}. ISSUER_URL is {settings.url}: name"
            " where that is served with --port or --url."
        )
    output.say(f"{base}/healthz answers: OK.", {"status": "ok"}, as_json=as_json)


def _require_alive(endpoint: str) -> None:
    try:
        authorities = httpx.create_ssl_context()
        answer = httpx.get(endpoint, timeout=_SECONDS, verify=authorities, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{endpoint} does not answer: {error}.") from None
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"{endpoint} answers {answer.status_code}.")
