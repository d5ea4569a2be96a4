"""`issuer jwks`."""

import asyncio
import logging
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from issuer.agentos.errors import InvalidConfiguration, NotFetched
from issuer.agentos.files import KeyFile, KeySetSource, usable_keys
from issuer.agentos.key_set import Keys
from issuer.agentos.key_set_client import Held, KeySetClient
from issuer.cli import output
from issuer.cli.command import argument, flag, new_app, option, wants_json
from issuer.cli.keys.hooks import ChangeCommand, pauses_between_tries, words_of
from issuer.errors import IssuerError
from issuer.server.processes import end_quietly_on_signals
from issuer.telemetry import logs

app = new_app("Keep the key set of an issuer in a file, for verifiers that cannot fetch it.")

log = logging.getLogger(__name__)


@app.callback()
def jwks() -> None:
    """Makes `jwks` a group, although it has only one command."""


@app.command()
def pull(
    url: str = argument("URL", "URL of the key set or of the issuer."),
    file: Path = option("FILE", "The file to write.", "--output", "-o"),
    watch: bool = flag(
        "--watch", "Continue until Ctrl-C, at the pace of the issuer's Cache-Control."
    ),
    command: Any = option(
        "COMMAND",
        "Command to run after each change until it succeeds, without a shell. JWKS_FILE"
        " names the file.",
        "--exec",
        parser=words_of,
    ),
    allow_http: bool = flag(
        "--dangerously-allow-http",
        "Allow http://, if no one on the network could change the response.",
    ),
) -> None:
    """Write the key set of an issuer to a file, for an AgentOS or other software.

    A URL that ends in .json, or that returns a key set, is that of the key set; any other is an
    issuer, whose metadata is read. Only a key set with a usable key replaces the file, as a whole
    and byte for byte. An unchanged key set is not written again.

    AgentOS itself reads its file only at its start: let --exec restart it. A command that fails
    runs again: with --watch after a growing pause, otherwise at the next call.

    Examples:

      issuer jwks pull https://id.example -o jwks.json
      issuer jwks pull https://id.example -o /srv/jwks.json --watch
      issuer jwks pull https://id.example -o keys.json --watch --exec ./restart
    """
    logs.configure("info" if watch else "warning")
    try:
        source = KeySetSource(url, allow_http=allow_http)
    except InvalidConfiguration as error:
        raise IssuerError(str(error)) from None
    if not file.absolute().parent.is_dir():
        raise IssuerError(f"There is no directory {file.absolute().parent}.")
    pull_run = _Pull(url, file, command and ChangeCommand(command, file))
    if watch:
        end_quietly_on_signals()
        pull_run.watch(source)
    else:
        pull_run.once(source)


class _Pull:
    def __init__(self, url: str, file: Path, command: ChangeCommand | None) -> None:
        self._name = f"The key set of {url}"
        self._url = url
        self._file = file
        self._command = command
        self._as_json = wants_json.get()  # read here: `_keep` runs in another thread
        self._is_first = True
        self._contents: SimpleQueue[bytes] = SimpleQueue()

    def once(self, source: KeySetSource) -> None:
        """Fetch once. On an `IssuerError` the file is unchanged."""
        try:
            body = asyncio.run(source(None)).body or b""
            keys = usable_keys(body)
        except NotFetched as error:
            raise IssuerError(f"{self._name} {error}.") from None
        if not self._put(body, keys):
            self._report(keys, changed=False)
        if self._command and self._command.is_due(body):
            self._command.run(body)

    def watch(self, source: KeySetSource) -> None:
        """Run until the process ends. Errors are logged, and a failed command runs again."""
        KeySetClient(self._name, source, usable_keys, keep=self._keep).start()
        body, pause, pauses = b"", None, pauses_between_tries()
        while True:
            try:
                body = self._contents.get(timeout=pause)
                pauses = pauses_between_tries()
            except Empty:
                pass
            pause = None if self._has_run(body) else next(pauses)

    def _keep(self, held: Held[Keys]) -> None:
        """Runs in the fetching thread; the command may take long and runs in the main thread."""
        try:
            changed = self._put(held.body, held.value)
        except IssuerError as error:
            log.error("%s", error)  # noqa: TRY400 - the sentence is enough
            return
        if changed or self._is_first:
            self._contents.put(held.body)
        self._is_first = False

    def _has_run(self, body: bytes) -> bool:
        try:
            if self._command and self._command.is_due(body):
                self._command.run(body)
        except IssuerError as error:
            log.error("%s", error)  # noqa: TRY400 - as above
            return False
        return True

    def _put(self, body: bytes, keys: Keys) -> bool:
        file = KeyFile(self._file)
        try:
            if file.holds(body):
                return False
            if self._command:
                self._command.forget()
            file.replace(body)
        except OSError as error:
            raise IssuerError(f"Cannot write {self._file}: {error.strerror}.") from None
        self._report(keys, changed=True)
        return True

    def _report(self, keys: Keys, *, changed: bool) -> None:
        if self._as_json:
            kids = [{"kid": key.kid, "alg": key.alg} for key in keys.values()]
            file = str(self._file)
            output.print_line({"url": self._url, "file": file, "changed": changed, "keys": kids})
        else:
            state = "now holds" if changed else "already holds"
            output.print_text(f"{self._file} {state} the key set of {self._url}.")
