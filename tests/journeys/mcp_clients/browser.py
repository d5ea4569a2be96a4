"""A person with a browser that runs no JavaScript: signs in and allows what is asked.

    USERNAME=alice PASSWORD=… python -m tests.journeys.mcp_clients.browser URL

This is the command of the environment variable BROWSER, with which clients open a browser.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx

from tests.html_forms import FormsOnPage

MAX_STEPS = 20


@dataclass(frozen=True)
class PersonAtBrowser:
    """Who signs in. A step to any URL that begins with `stops_at` is not made."""

    username: str
    password: str

    def visit(self, url: str, stops_at: str | None = None) -> str:
        """The URL at which the way ends; `AssertionError` if it ends at an error."""
        transport = httpx.HTTPTransport(retries=6)  # a client may listen only after it opened us
        with httpx.Client(transport=transport, timeout=30) as browser:
            answer = browser.get(url)
            for _ in range(MAX_STEPS):
                if "location" in answer.headers:
                    url = urljoin(str(answer.url), answer.headers["location"])
                    if stops_at is not None and url.startswith(stops_at):
                        return url
                    answer = browser.get(url)
                elif (filled := self._filled(answer.text)) is not None:
                    action, data = filled
                    answer = browser.post(urljoin(str(answer.url), action), data=data)
                else:
                    assert answer.is_success, (str(answer.url), answer.status_code, answer.text)
                    return str(answer.url)
        raise AssertionError(f"There is no end of steps: {answer.url}")

    def _filled(self, page: str) -> tuple[str, Mapping[str, str]] | None:
        for form in FormsOnPage(page).forms:
            if ("decision", "allow") in form.buttons:
                return form.action, {**form.fields, "decision": "allow"}
            if "password" in form.fields:
                mine = {"username": self.username, "password": self.password}
                return form.action, {**form.fields, **mine}
        return None


if __name__ == "__main__":
    PersonAtBrowser(os.environ["USERNAME"], os.environ["PASSWORD"]).visit(sys.argv[1])
