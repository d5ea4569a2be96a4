"""Tells an issuer which of its keys this process holds (docs/reference/revocation-feed.md)."""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from issuer import __version__

REPORT_EVERY = 60.0
_HEADER = "AgentOS-Verifier"
_MAX_KIDS = 16
# Of these no character has to be escaped in a String of RFC 9651.
_AUDIENCE = re.compile(r"[A-Za-z0-9._~@+|:/-]{1,255}")
_KID = re.compile(r"[A-Za-z0-9._~-]{1,64}")


class PollReport:
    """The headers of a poll: a report once a minute, and whenever the keys have changed.

    It has the audience, versions, ids of keys and the `iat` of the feed, and no more.
    """

    def __init__(self, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._audience = audience
        self._clock = clock
        self._id: tuple[int, str] | None = None
        self._sent: tuple[str, float] | None = None
        self._received: tuple[str, float] | None = None

    def headers(self, kids: Iterable[str], feed_issued_at: int) -> Mapping[str, str]:
        """For the next poll; empty if nothing is due."""
        report, now = self._report(kids), self._clock()
        if not report:
            return {}
        last, at = self._received or ("", now)
        if report == last and now - at < REPORT_EVERY:
            return {}
        self._sent = report, now
        feed = f", feed={feed_issued_at}" if feed_issued_at else ""
        # A cache on the way must not answer in place of the issuer (RFC 9111 §5.2.1.4).
        return {_HEADER: report + feed, "Cache-Control": "no-cache"}

    def note_received(self) -> None:
        """The poll was answered: the issuer has what was sent last."""
        self._received = self._sent

    def _report(self, kids: Iterable[str]) -> str:
        if not _AUDIENCE.fullmatch(self._audience):
            return ""  # no audience of an issuer that reads reports
        known = [kid for kid in kids if _KID.fullmatch(kid)]
        members = {"id": self._instance(), "aud": self._audience, **_versions()}
        texts = ", ".join(f'{name}="{text}"' for name, text in members.items())
        keys = " ".join(f'"{kid}"' for kid in known[:_MAX_KIDS])
        return f"{texts}, keys=({keys})"

    def _instance(self) -> str:
        """Random, and another one after a fork: processes are told apart, but not recognised."""
        if self._id is None or self._id[0] != os.getpid():
            self._id = os.getpid(), secrets.token_urlsafe(9)
        return self._id[1]


@cache
def _versions() -> Mapping[str, str]:
    """The versions of the verifier and, where it is installed, of agno."""
    try:
        return {"adapter": __version__, "agno": version("agno")}
    except PackageNotFoundError:
        return {"adapter": __version__}
