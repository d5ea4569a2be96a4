"""`issuer jwks`."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from issuer import logs
from issuer.agentos.errors import ConfigurationError, NotFetched
from issuer.agentos.follower import Follower, Held
from issuer.agentos.key_set import Keys
from issuer.agentos.pulling import KeyFile, KeySetSource, usable_keys
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.hooks import run_after_change, words_of
from issuer.cli.options import AsJson
from issuer.cli.processes import end_quietly_on_signals
from issuer.errors import IssuerError

app = new_app("The key set of an issuer, in a file: for who cannot follow it by HTTP.")

log = logging.getLogger(__name__)


@app.callback()
def jwks() -> None:
    """Makes a group of what has only one command so far."""


@app.command()
def pull(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Of the key set; or of the issuer, by its name.")
    ],
    file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where it goes.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, as often as the issuer says, until Ctrl-C.")
    ] = False,
    command: Annotated[
        Any,
        typer.Option(
            "--exec",
            parser=words_of,
            metavar="COMMAND",
            help="Run it after each change, without a shell; JWKS_FILE names the file.",
        ),
    ] = None,
    allow_http: Annotated[
        bool,
        typer.Option(
            "--dangerously-allow-http", help="Where nobody between could change the answer."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a file as the key set of an issuer is, for an AgentOS or anything that reads files.

    A URL that ends in .json, or that answers with a key set, is that of the key set; any other
    is an issuer, whose metadata is read. Only a set with a key that can be used replaces the
    file, whole and byte for byte; the same set again does not touch it.

    A stock AgentOS reads its file once, when it starts: have --exec restart it.

    Examples:

      issuer jwks pull https://id.example -o jwks.json
      issuer jwks pull https://id.example/.well-known/jwks.json -o /srv/jwks.json --watch
      issuer jwks pull https://id.example -o jwks.json --watch --exec 'systemctl restart my-os'
    """
    logs.configure("info" if watch else "warning")
    try:
        source = KeySetSource(url, allow_http=allow_http)
    except ConfigurationError as error:
        raise IssuerError(str(error)) from None
    if not file.absolute().parent.is_dir():
        raise IssuerError(f"There is no directory {file.absolute().parent}.")
    pulled = _Pulled(url, file, command, as_json=as_json)
    if watch:
        end_quietly_on_signals()
        Follower(pulled.name, source, usable_keys, keep=pulled.keep).start()
        threading.Event().wait()
    else:
        pulled.once(source)


@dataclass(frozen=True)
class _Pulled:
    url: str
    file: Path
    command: Sequence[str] | None
    as_json: bool

    @property
    def name(self) -> str:
        return f"The key set of {self.url}"

    def once(self, source: KeySetSource) -> None:
        """An `IssuerError` says what was wrong; then the file is as it was."""
        try:
            body = asyncio.run(source(None)).body or b""
            keys = usable_keys(body)
        except NotFetched as error:
            raise IssuerError(f"{self.name} {error}.") from None
        if not self._put(body, keys):
            self._say(keys, changed=False)

    def keep(self, held: Held[Keys]) -> None:
        """What goes wrong with the file or the command is logged, and following goes on."""
        try:
            self._put(held.body, held.value)
        except IssuerError as error:
            log.error("%s", error)  # noqa: TRY400 - the sentence is all there is to say

    def _put(self, body: bytes, keys: Keys) -> bool:
        try:
            changed = KeyFile(self.file).hold(body)
        except OSError as error:
            raise IssuerError(f"{self.file} cannot be written: {error.strerror}.") from None
        if changed:
            self._say(keys, changed=True)
            if self.command is not None:
                run_after_change(self.command, self.file)
        return changed

    def _say(self, keys: Keys, *, changed: bool) -> None:
        if self.as_json:
            kids = [{"kid": key.kid, "alg": key.alg} for key in keys.values()]
            file = str(self.file)
            output.print_line({"url": self.url, "file": file, "changed": changed, "keys": kids})
        else:
            now = "now holds" if changed else "holds already"
            print(f"{self.file} {now} the key set of {self.url}.", flush=True)
