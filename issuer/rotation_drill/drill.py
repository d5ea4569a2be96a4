"""The drill: announce the next key, wait, sign with it, have it verified, optionally rotate."""

from collections.abc import Callable
from datetime import timedelta

import httpx

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.errors import InvalidField, NotAllowed
from issuer.explain.explaining import PreviewRequest
from issuer.keys import SigningKey
from issuer.rotation_drill import checks
from issuer.rotation_drill.checks import CheckResult, Checks
from issuer.rotation_drill.report import DrillRequest, Report, address
from issuer.rotation_drill.test_tokens import KeyPair, TestTokenMaker
from issuer.tokens import Authorization, TokenIssuer
from issuer.vocabulary import SEEN_WITHIN, SigningAlgorithm

_JWKS_PATH = "/.well-known/jwks.json"


class Drill:
    """Run by `actor`. `wait` is called with seconds, and with the reason in words.

    The active key does not change unless the request says so and every check passes.
    """

    def __init__(
        self,
        administration: Administration,
        issuer: TokenIssuer,
        actor: Actor,
        wait: Callable[[float, str], None],
    ) -> None:
        self._administration = administration
        self._issuer = issuer
        self._actor = actor
        self._wait = wait

    def run(self, request: DrillRequest) -> Report:
        """The results. `InvalidField` or `NotFound` for a request that cannot be carried out."""
        settings = self._administration.settings
        own = request.jwks_url or settings.url + _JWKS_PATH
        jwks_url = address("jwks_url", own, settings)
        verifiers = [address("verifier", each, settings) for each in request.verifiers]
        authorization = self._authorization(request)
        keys = self._announced(self._algorithm(request, authorization))
        maker = (
            TestTokenMaker(self._administration, self._issuer, self._actor, authorization, keys)
            if authorization
            else None
        )
        checks = Checks(jwks_url, verifiers, keys, maker)
        report = self._rehearsed(checks, keys, rotate=request.rotate)
        self._audit(report, verifiers)
        return report

    def _rehearsed(self, checks: Checks, keys: KeyPair, *, rotate: bool) -> Report:
        before = [*checks.results(), *self._lacking(keys.new)]
        if not rotate or not all(each.ok for each in before):
            return Report(keys, before)
        try:
            self._rotate(keys)
        except NotAllowed as error:
            return Report(keys, before, refusal=str(error))
        return Report(keys, before, list(checks.results()), rotated=True)

    def _lacking(self, key: SigningKey) -> list[CheckResult]:
        """Verifiers for which a rotation is refused, whether the request names them or not."""
        with self._administration.reading() as work:
            found = work.verifiers.lacking(key)
        return [checks.lacking(f"{each.audience} at {each.address}", key.kid) for each in found]

    def _authorization(self, request: DrillRequest) -> Authorization | None:
        if request.client_id is None:
            if request.audience is not None:
                raise InvalidField("audience", "needs a client_id")
            return None
        preview = PreviewRequest.read(
            {"client_id": request.client_id, "audience": request.audience}
        )
        authorization = self._administration.explainer.authorization(preview)
        if authorization.client.disabled:
            raise NotAllowed(f"The client {request.client_id} is disabled and gets no token.")
        return authorization

    def _algorithm(
        self, request: DrillRequest, authorization: Authorization | None
    ) -> SigningAlgorithm:
        if authorization is None:
            return request.alg or self._administration.settings.signing_algorithms[0]
        alg = authorization.audience.signing_alg.at(self._administration.clock())
        if request.alg not in {None, alg}:
            raise InvalidField("alg", f"must be {alg} for tokens of {authorization.audience.id}")
        return alg

    def _announced(self, alg: SigningAlgorithm) -> KeyPair:
        """The keys, once every verifier must have fetched the next one."""
        keyring = self._administration.keyring
        kept_for = self._administration.settings.key_set_kept_for
        while True:
            keyring.reconcile()
            keys = KeyPair(keyring.active(alg), keyring.next_key(alg))
            seen_at = keys.new.announced_at + SEEN_WITHIN + kept_for
            left = seen_at - self._administration.clock()
            if left <= timedelta(0):
                return keys
            self._wait(
                left.total_seconds(),
                f"The next key was announced at {keys.new.announced_at:%Y-%m-%d %H:%M:%S} UTC."
                f" Verifiers may use a cached key set without it until {seen_at:%H:%M:%S}:"
                f" waiting {left.total_seconds():.0f} s.",
            )

    def _rotate(self, keys: KeyPair) -> None:
        with self._administration.changing_keys(self._actor) as work:
            if work.rotate_key(keys.new.alg).kid != keys.new.kid:
                raise NotAllowed("The keys changed during the drill. Run it again.")

    def _audit(self, report: Report, verifiers: list[httpx.URL]) -> None:
        """With hosts only: a path or a query may contain a secret."""
        with self._administration.auditing(self._actor) as trail:
            trail.note(
                "key.drilled",
                report.keys.new.kid,
                alg=report.keys.new.alg,
                ok=report.ok,
                rotated=report.rotated,
                verifiers=[url.netloc.decode() for url in verifiers],
            )
