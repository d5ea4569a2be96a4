"""The commands and requests that do the same as the console."""

import json
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from issuer.web.console.views import Command


class Commands:
    """For an issuer at `base_url`."""

    def __init__(self, base_url: str) -> None:
        self._api = f"{base_url}/admin/v1"

    def command(
        self,
        cli: tuple[str, ...],
        method: str = "",
        path: tuple[str, ...] = (),
        body: Mapping[str, object] | None = None,
        query: str = "",
    ) -> Command:
        """`cli` without `issuer`; `path` below `/admin/v1`, part by part, if it does the same."""
        url = "/".join([self._api, *(quote(part, safe="") for part in path)])
        return Command(
            shlex.join(["issuer", *cli]),
            f"{method} {url}{query and '?'}{query}" if method else "",
            "" if body is None else json.dumps(body, ensure_ascii=False),
        )
