"""`issuer serve`."""

from typing import Annotated

from issuer.cli import output
from issuer.cli.command import new_app, option, wants_json
from issuer.cli.opening import read_settings
from issuer.cli.options import Host
from issuer.server.processes import end_quietly_on_signals
from issuer.server.serving import address, listen, preflight
from issuer.server.serving import serve as serve_until_a_signal

app = new_app()


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: int | None = option(
        "PORT",
        "Port to listen on; 0 for a free one. Default: that of ISSUER_URL, if it is http"
        " on loopback and names one, else 9000.",
        min=0,
        max=65535,
    ),
    workers: Annotated[
        int, option("COUNT", "Processes, about one for each core.", min=1, max=64)
    ] = 1,
) -> None:
    """Serve until Ctrl-C or SIGTERM, without TLS: put a proxy in front.

    The log goes to standard error, one JSON object per line. With --json, one line on standard
    output shows the URL as soon as the server answers.

    Examples:

      issuer serve
      issuer serve --host 0.0.0.0 --port 8080 --workers 2
    """
    end_quietly_on_signals()
    settings = read_settings()
    preflight(settings, workers)
    with listen(host, settings.local_port if port is None else port) as listener:
        url = address(listener)

        def announce() -> None:
            if wants_json.get():
                output.print_line({"issuer": settings.url, "url": url})

        serve_until_a_signal(settings, listener, workers, announce=announce)
