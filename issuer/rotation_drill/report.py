"""The results of a drill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import Field

from issuer.errors import InvalidField
from issuer.fields.fields import Fields
from issuer.fields.ids import AudienceId
from issuer.rotation_drill.checks import CheckResult, KeyPair
from issuer.settings import Settings, is_loopback
from issuer.vocabulary import SigningAlgorithm

_PORTS = 65_536


class DrillRequest(Fields):
    """Check each of `verifiers`; then, with `rotate`, activate the next key if all checks pass.

    A verifier that requires a token gets one of the client for the audience. `alg` defaults to
    that of the audience, or to the first of ISSUER_SIGNING_ALGORITHMS.
    """

    verifiers: list[str] = Field(min_length=1)
    jwks_url: str | None = None
    client_id: str | None = None
    audience: AudienceId | None = None
    alg: SigningAlgorithm | None = None
    rotate: bool = False


def address(field: str, text: str, settings: Settings) -> httpx.URL:
    """A URL that may receive a token; else `InvalidField`, which does not repeat the URL."""
    try:
        url = httpx.URL(text)
        host = url.host  # decoded only on access
    except (httpx.InvalidURL, UnicodeError):
        raise InvalidField(field, "must be a URL") from None
    if url.userinfo:
        raise InvalidField(field, "must be a URL without credentials: URLs are printed")
    if url.scheme not in {"http", "https"} or not host:
        raise InvalidField(field, "must be an https:// URL with a host")
    if url.port is not None and not 0 < url.port < _PORTS:
        raise InvalidField(field, "has an invalid port")
    if url.scheme == "http" and not (is_loopback(host) or settings.dangerously_allow_http):
        raise InvalidField(
            field,
            "must be https:// on anything but loopback;"
            " ISSUER_DANGEROUSLY_ALLOW_HTTP=true allows it",
        )
    return url


@dataclass(frozen=True, slots=True)
class Report:
    """The checks `before` a rotation and, if there was one, `after` it.

    `refusal` is why a requested rotation was refused although every check passed.
    """

    keys: KeyPair
    before: Sequence[CheckResult]
    after: Sequence[CheckResult] = ()
    rotated: bool = False
    refusal: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every check passed and a requested rotation was made."""
        return self.refusal is None and not self._failures

    @property
    def verdict(self) -> str:
        """A summary for people."""
        kid = self.keys.new.kid if self.rotated else self.keys.old.kid
        active = f"The {'new' if self.rotated else 'old'} key is active: {kid}."
        if self._failures:
            total = len(self.before) + len(self.after)
            return f"{self._failures} of {total} checks failed. {active}"
        if self.refusal is not None:
            return f"All checks passed, but the rotation was refused. {active} {self.refusal}"
        return f"All checks passed. {active}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "alg": self.keys.new.alg.value,
            "old_kid": self.keys.old.kid,
            "new_kid": self.keys.new.kid,
            "rotated": self.rotated,
            "before": [each.model_dump(mode="json") for each in self.before],
            "after": [each.model_dump(mode="json") for each in self.after],
        }

    @property
    def _failures(self) -> int:
        return sum(not each.ok for each in (*self.before, *self.after))
