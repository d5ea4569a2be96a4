"""`Verifier`: what an operator of AgentOS says to follow an issuer."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jwt

from issuer.agentos import agno_app, agno_hook, agno_scopes, agno_settings, lifespans
from issuer.agentos.bound_validator import BoundValidator, FetchedKeys, issuer_of
from issuer.agentos.errors import ConfigurationError
from issuer.agentos.gate import Gate
from issuer.agentos.metadata import metadata_urls
from issuer.agentos.rules import TokenRules, read_unverified
from issuer.agentos.soundness import require_sound
from issuer.agentos.trusted_issuer import AWAY_LIMIT, TrustedIssuer

App = TypeVar("App")

_KEY_IN_ENVIRONMENT = "JWT_VERIFICATION_KEY"
_KEY_SET_IN_ENVIRONMENT = "JWT_JWKS_FILE"

log = logging.getLogger(__name__)


class Verifier:
    """Has an AgentOS accept the tokens that `issuer` signs for `audience`, as its keys change.

        verifier = Verifier("https://id.example", audience="my-os")
        app = verifier.attach(AgentOS(id="my-os", agents=[...], **verifier.auth()).get_app())

    `issuer` and `audience` are what `iss` and `aud` must be, byte for byte. The key set is the one
    that the issuer's metadata names, or `jwks_url`; each key verifies one of `algorithms`.
    `verification_keys` are static keys (PEM) of other issuers, which stay agno's business;
    `others` are Verifiers of other issuers, whose tokens the same AgentOS takes as well.
    `cache_file` keeps the key set and the revocations for a start while the issuer is away.
    `revocations` follows the feed that the metadata names; a URL is that of the feed, False
    takes revoked tokens. While the feed cannot be had, tokens are taken for `feed_away_limit`
    seconds, None for as long as that lasts. `leeway` is in seconds.
    `typ` is what the token's header must say, None for issuers that say nothing. `strict` refuses
    to start beside keys that agno would add by itself.

    Errors are `ConfigurationError` for what cannot be right, PyJWT's for tokens.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        jwks_url: str | None = None,
        algorithms: Sequence[str] = ("RS256",),
        verification_keys: Sequence[str] = (),
        leeway: float = 10,
        cache_file: str | Path | None = None,
        revocations: bool | str = True,
        feed_away_limit: float | None = AWAY_LIMIT,
        others: Sequence["Verifier"] = (),
        typ: str | None = "at+jwt",
        strict: bool = False,
        dangerously_allow_http: bool = False,
    ) -> None:
        require_sound(
            issuer,
            audience,
            jwks_url=jwks_url,
            verification_keys=verification_keys,
            leeway=leeway,
            typ=typ,
        )
        if not all(isinstance(other, Verifier) for other in others):
            raise ConfigurationError("others must be a list of Verifiers.")
        self.issuer = issuer
        self.audience = audience
        self._own = TrustedIssuer(
            TokenRules(issuer, audience, typ, leeway),
            jwks_url=jwks_url,
            algorithms=algorithms,
            cache_file=cache_file,
            revocations=revocations,
            feed_away_limit=feed_away_limit,
            allow_http=dangerously_allow_http,
        )
        self._issuers = [self._own, *(each._own for each in others)]
        if len({each.rules.issuer for each in self._issuers}) < len(self._issuers):
            raise ConfigurationError(f"Each issuer is followed once: {issuer} is named twice.")
        self._verification_keys = list(verification_keys)
        self._strict = strict
        self._jwks_url = jwks_url
        self._jwks_file: str | None = None
        self._is_attached = False
        if self._is_meant_by(os.environ.get(_KEY_SET_IN_ENVIRONMENT)):
            _ = self.jwks_file

    @property
    def jwks_file(self) -> str:
        """What to give agno as `jwks_file`, or as `JWT_JWKS_FILE`, where you set it up yourself."""
        if self._jwks_file is None:
            agno_hook.install()
            self._jwks_file = agno_hook.register(self._name, self)
            agno_hook.require_effect(self._jwks_file, _is_bound)
        return self._jwks_file

    def auth(self, **more: Any) -> dict[str, Any]:
        """Keyword arguments for the `AgentOS` of the agno that is installed.

        `more` is passed on: `user_isolation`, `roles_claim` and what else this agno takes.
        """
        if "jwks_file" in more:
            raise ConfigurationError("auth(jwks_file=…) would have agno believe that file alone.")
        verification = {
            "jwks_file": self.jwks_file,
            "algorithm": self._own.algorithms[0],
            "verification_keys": self._verification_keys or None,
        }
        pins = {"verify_audience": True, "audience": self.audience, "issuer": self.issuer}
        alone = not self._verification_keys and len(self._issuers) == 1
        return agno_settings.arguments(verification, pins if alone else {}, more)

    def attach(self, app: App, *, cookie: str | None = None) -> App:
        """Have `app` meet new keys without a refused request; returns it. Call it last.

        `cookie` names one in which tokens come, where no middleware of agno says so.
        """
        agno_app.require_authentication(app)
        agno_app.close_sockets(app, self.jwks_file, self._own.algorithms[0])
        agno_scopes.warn_of_open_routes(app)
        lifespans.start_with(app)
        headers, cookies = agno_app.token_places(app, cookie)
        add_middleware: Any = getattr(app, "add_middleware")  # noqa: B009 - any ASGI framework's
        add_middleware(Gate, verifier=self, headers=sorted(headers), cookies=sorted(cookies))
        self.start()
        self._is_attached = True
        return app

    def start(self) -> None:
        """Follow the key sets in this process. Waits for nothing; using them does the same."""
        for issuer in self._issuers:
            issuer.start()

    def stop(self) -> None:
        """Follow no more, in this process."""
        for issuer in self._issuers:
            issuer.stop()

    async def prepare_for(self, token: str) -> None:
        """Fetch the key set if it lacks the token's key, as far as the budget allows.

        Call it before `claims` where you can await. `KeySetUnavailable` while none is known.
        """
        if any(issuer.knows(token) for issuer in self._issuers):
            return
        unverified = read_unverified(token)
        for issuer in self._issuers:
            if issuer.rules.issuer == issuer_of(unverified):
                await issuer.prepare_for(unverified)

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a good token of an issuer that is followed; never waits.

        `jwt.InvalidTokenError` says what is wrong with another, `KeySetUnavailable` that it
        cannot be known at the moment.
        """
        named = issuer_of(read_unverified(token))
        for issuer in self._issuers:
            if issuer.rules.issuer == named:
                return issuer.claims(token)
        raise jwt.InvalidIssuerError("The token is of another issuer.")

    def status(self) -> dict[str, Any]:
        """What is held, since when, and what is wrong, as JSON has it."""
        own, *others = (issuer.status() for issuer in self._issuers)
        return {**own, "others": others}

    def answers_to(self, value: str) -> bool:
        """Whether a `JWT_JWKS_FILE` that is a URL means this issuer."""
        standard = f"{self.issuer.rstrip('/')}/.well-known/jwks.json"
        return value in {self._jwks_url, standard, self.issuer, *metadata_urls(self.issuer)}

    @property
    def _name(self) -> str:
        return f"{self.issuer}#{self.audience}"

    def _is_meant_by(self, value: str | None) -> bool:
        """Then agno must know of it before it builds anything."""
        return value is not None and (value == self._name or self.answers_to(value))

    def bind(self, validator: Any) -> None:
        """Take over a validator of agno."""
        if not validator.validate:
            raise ConfigurationError("validate=False would have agno believe every token.")
        self._look_at_environment(validator)
        validator.jwks_keys = FetchedKeys()
        validator.validate_token = BoundValidator(
            self._issuers, validator, self._warn_if_not_attached
        )
        self.start()

    def _warn_if_not_attached(self) -> None:
        """Once, when agno has a token verified: before that, `attach` may still come."""
        if self._is_attached:
            return
        self._is_attached = True  # as far as this is concerned: said once
        log.warning(
            "The Verifier of %s was never attached: call verifier.attach(app) last. Until then the"
            " first requests with a new key are refused, and requests while the keys are not known"
            " get 401 rather than 503; nothing has examined what the app leaves open.",
            self.issuer,
        )

    def _look_at_environment(self, validator: Any) -> None:
        """agno adds that key to every validator, and believes it whatever `iss` it states."""
        key = os.environ.get(_KEY_IN_ENVIRONMENT)
        if not key or key in self._verification_keys or key not in validator.verification_keys:
            return
        message = (
            f"{_KEY_IN_ENVIRONMENT} is set: agno accepts what that key signs as well, for any"
            f" audience. Unset it, or name the key in Verifier(verification_keys=…)."
        )
        if self._strict:
            raise ConfigurationError(message)
        log.critical(message)


def _is_bound(validator: Any) -> bool:
    return isinstance(validator.validate_token, BoundValidator)
