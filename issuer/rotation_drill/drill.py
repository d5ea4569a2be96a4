"""The drill: announce the next key, wait, sign with it, have it verified, optionally rotate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
from pydantic import Field

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.errors import InvalidField, NotAllowed
from issuer.explain.explaining import PreviewRequest
from issuer.fields.fields import Fields
from issuer.fields.ids import AudienceId
from issuer.keys import SigningKey
from issuer.keys.private_key import Forger
from issuer.rotation_drill.checks import CheckResult, KeyPair, check, lacking
from issuer.settings import Settings, is_loopback
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import AccessToken, Signer, TokenIssuer
from issuer.vocabulary import SEEN_WITHIN, SHORTEST_TOKEN, SigningAlgorithm

_PORTS = 65_536
_JWKS_PATH = "/.well-known/jwks.json"


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


@dataclass(frozen=True)
class Drill:
    """Run by `actor`. `wait` is called with seconds, and with the reason in words.

    The active key does not change unless the request says so and every check passes.
    """

    administration: Administration
    issuer: TokenIssuer
    actor: Actor
    wait: Callable[[float, str], None]

    def run(self, request: DrillRequest) -> Report:
        """The results. `InvalidField` or `NotFound` for a request that cannot be carried out."""
        settings = self.administration.settings
        own = request.jwks_url or settings.url + _JWKS_PATH
        jwks_url = address("jwks_url", own, settings)
        verifiers = [address("verifier", each, settings) for each in request.verifiers]
        authorization = self._authorization(request)
        keys = self._announce(self._algorithm(request, authorization))
        fresh_tokens = self._token_maker(authorization, keys) if authorization else None

        def results() -> list[CheckResult]:
            others = (check(each, keys, fresh_tokens) for each in verifiers)
            return [check(jwks_url, keys), *others]

        report = self._rehearse(results, keys, rotate=request.rotate)
        self._audit(report, verifiers)
        return report

    def _rehearse(
        self, results: Callable[[], list[CheckResult]], keys: KeyPair, *, rotate: bool
    ) -> Report:
        before = [*results(), *self._lacking(keys.new)]
        if not rotate or not all(each.ok for each in before):
            return Report(keys, before)
        try:
            self._rotate(keys)
        except NotAllowed as error:
            return Report(keys, before, refusal=str(error))
        return Report(keys, before, results(), rotated=True)

    def _token_maker(
        self, authorization: Authorization, keys: KeyPair
    ) -> Callable[[], list[AccessToken]]:
        """Makes tokens for a minute: of the old key, of the new one, with a forged signature."""
        sign_with = self.administration.keyring.sign_with
        signers: list[Signer] = [*(partial(sign_with, key) for key in keys), Forger(keys.new).sign]

        def fresh_tokens() -> list[AccessToken]:
            clock = self.administration.clock
            old, new, forged = (
                self.issuer.issue_signed_by(sign, authorization, SHORTEST_TOKEN, clock())
                for sign in signers
            )
            # As at the token endpoint, their audit events are durable first.
            with self.administration.auditing(self.actor) as trail:
                for token in (old, new):
                    details = token.details(authorization.audience.id)
                    trail.note("token.issued", authorization.subject, drill=True, **details)
            return [old, new, forged]

        return fresh_tokens

    def _lacking(self, key: SigningKey) -> list[CheckResult]:
        """Verifiers for which a rotation is refused, whether the request names them or not."""
        with self.administration.reading() as work:
            found = work.verifiers.lacking(key)
        return [lacking(f"{each.audience} at {each.address}", key.kid) for each in found]

    def _authorization(self, request: DrillRequest) -> Authorization | None:
        if request.client_id is None:
            if request.audience is not None:
                raise InvalidField("audience", "needs a client_id")
            return None
        subject = {"client_id": request.client_id, "audience": request.audience}
        preview = PreviewRequest.read(subject)
        authorization = self.administration.explainer.authorization(preview)
        if authorization.client.disabled:
            raise NotAllowed(f"The client {request.client_id} is disabled and gets no token.")
        return authorization

    def _algorithm(
        self, request: DrillRequest, authorization: Authorization | None
    ) -> SigningAlgorithm:
        if authorization is None:
            return request.alg or self.administration.settings.signing_algorithms[0]
        alg = authorization.audience.signing_alg.at(self.administration.clock())
        if request.alg not in {None, alg}:
            raise InvalidField("alg", f"must be {alg} for tokens of {authorization.audience.id}")
        return alg

    def _announce(self, alg: SigningAlgorithm) -> KeyPair:
        """The keys, once every verifier must have fetched the next one."""
        keyring = self.administration.keyring
        kept_for = self.administration.settings.key_set_kept_for
        while True:
            keyring.reconcile()
            keys = KeyPair(keyring.active(alg), keyring.next_key(alg))
            seen_at = keys.new.announced_at + SEEN_WITHIN + kept_for
            left = seen_at - self.administration.clock()
            if left <= timedelta(0):
                return keys
            self.wait(
                left.total_seconds(),
                f"The next key was announced at {keys.new.announced_at:%Y-%m-%d %H:%M:%S} UTC."
                f" Verifiers may use a cached key set without it until {seen_at:%H:%M:%S}:"
                f" waiting {left.total_seconds():.0f} s.",
            )

    def _rotate(self, keys: KeyPair) -> None:
        with self.administration.changing_keys(self.actor) as work:
            if work.verifiers.rotate_key(keys.new.alg).kid != keys.new.kid:
                raise NotAllowed("The keys changed during the drill. Run it again.")

    def _audit(self, report: Report, verifiers: list[httpx.URL]) -> None:
        """With hosts only: a path or a query may contain a secret."""
        with self.administration.auditing(self.actor) as trail:
            trail.note(
                "key.drilled",
                report.keys.new.kid,
                alg=report.keys.new.alg,
                ok=report.ok,
                rotated=report.rotated,
                verifiers=[url.netloc.decode() for url in verifiers],
            )
