"""The drill: announce the next key, wait, sign with it, have it verified, optionally rotate."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.errors import InvalidField, NotAllowed
from issuer.explain.explaining import PreviewRequest
from issuer.keys import SigningKey
from issuer.keys.private_key import Forger
from issuer.rotation_drill.checks import CheckResult, KeyPair, check, lacking
from issuer.rotation_drill.report import DrillRequest, Report, address
from issuer.tokens import AccessToken, Authorization, Signer, TokenIssuer
from issuer.vocabulary import SEEN_WITHIN, SHORTEST_TOKEN, SigningAlgorithm

_JWKS_PATH = "/.well-known/jwks.json"


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
        signers: list[Signer] = [
            partial(sign_with, keys.old),
            partial(sign_with, keys.new),
            Forger(keys.new).sign,
        ]

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
        preview = PreviewRequest.read(
            {"client_id": request.client_id, "audience": request.audience}
        )
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
