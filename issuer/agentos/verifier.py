"""`Verifier`: connects an AgentOS to its issuer."""

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import jwt

from issuer.agentos import agno_app, agno_decisions, agno_hook, agno_scopes, caller
from issuer.agentos.agno_hook import BoundValidator, FetchedKeys
from issuer.agentos.argument_checks import require_valid_arguments, scopes_claim_at
from issuer.agentos.errors import InvalidConfiguration, NoSubjectToken
from issuer.agentos.fetching import metadata_urls
from issuer.agentos.issuer_token_verifier import MAX_FEED_AGE, TrustedIssuer
from issuer.agentos.key_fetching import KeyFetching
from issuer.agentos.possession import ProofReading, possession_rule
from issuer.agentos.protected_resource import Challenges, ProtectedResources, require_sound_resource
from issuer.agentos.rules import TokenRules, other_issuer, read_unverified
from issuer.agentos.usage import UsageReporter

App = TypeVar("App")

_KEY_IN_ENVIRONMENT = "JWT_VERIFICATION_KEY"
_KEY_SET_IN_ENVIRONMENT = "JWT_JWKS_FILE"

log = logging.getLogger(__name__)


class Verifier:
    """Makes an AgentOS accept the tokens that `issuer` signs for `audience`, across key rotation.

        verifier = Verifier("https://id.example", audience="my-os")
        app = verifier.attach(AgentOS(id="my-os", agents=[...], **verifier.auth()).get_app())

    `issuer` and `audience` are the required `iss` and `aud`, byte for byte. The key set is the one
    that the issuer's metadata names, or `jwks_url`; each key verifies one of `algorithms`.
    `url` is the URL of the app, with which clients find the issuer (RFC 9728). They ask for
    `challenge_scopes`, or without them for all that they may have.
    `verification_keys` are static keys (PEM) of other issuers, which agno itself handles;
    `others` are Verifiers of further issuers whose tokens this AgentOS accepts.
    `cache_file` stores the key set and the revocations for a start while the issuer is down.
    `revocations`: True for the feed that the metadata names, a URL for that feed, False to
    accept revoked tokens. While the feed is unavailable, tokens are accepted for
    `feed_away_limit` seconds, or without limit if None. `leeway` is in seconds.
    `dpop`: tokens that are bound to a key (RFC 9449) are accepted with a proof for a URL below
    `url`, and only so; with "require", no others are.
    `strict` refuses to start if agno would also trust the key in JWT_VERIFICATION_KEY.
    `report_usage` is a TokenClient of `issuer.client` for the issuer itself: with it, this process
    tells the issuer once a minute how often each subject needed which scope, for `issuer review`.

    For the tokens of other issuers: `typ` is the required `typ` of the header, None to accept any.
    `audience_claim` must name `audience` where they set no `aud`, and `required_claims` must have
    these values. `scopes_claim` has the scopes: an array, or a string with spaces; a list of names
    for a nested claim. With `scope_mapping`, its values are mapped to scopes, others grant nothing.

    Errors are `InvalidConfiguration` for invalid arguments, PyJWT's for invalid tokens.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        url: str | None = None,
        challenge_scopes: Sequence[str] = (),
        jwks_url: str | None = None,
        algorithms: Sequence[str] = ("RS256",),
        verification_keys: Sequence[str] = (),
        leeway: float = 10,
        cache_file: str | Path | None = None,
        revocations: bool | str = True,
        feed_away_limit: float | None = MAX_FEED_AGE,
        others: Sequence["Verifier"] = (),
        typ: str | None = "at+jwt",
        audience_claim: str = "aud",
        required_claims: Mapping[str, str | bool] | None = None,
        scopes_claim: str | Sequence[str] = "scopes",
        scope_mapping: Mapping[str, Sequence[str]] | None = None,
        dpop: Literal["accept", "require"] = "accept",
        strict: bool = False,
        report_usage: Any = None,
        dangerously_allow_http: bool = False,
    ) -> None:
        required = {} if required_claims is None else required_claims
        rules = TokenRules(issuer, audience, typ, leeway, audience_claim, required)
        require_valid_arguments(rules, jwks_url, verification_keys)
        # Copied once it is known to be a mapping: the caller may change its own.
        rules = replace(rules, required_claims=dict(required))
        require_sound_resource(url, challenge_scopes, allow_http=dangerously_allow_http)
        self._possession = possession_rule(dpop, url)
        if not all(isinstance(other, Verifier) for other in others):
            raise InvalidConfiguration("others must be a list of Verifiers.")
        if any(other._possession.is_required for other in others):
            raise InvalidConfiguration("Set dpop of the Verifier that has others, not of theirs.")
        self.issuer = issuer
        self.audience = audience
        self._own = TrustedIssuer(
            rules,
            jwks_url=jwks_url,
            algorithms=algorithms,
            cache_file=cache_file,
            revocations=revocations,
            feed_away_limit=feed_away_limit,
            allow_http=dangerously_allow_http,
            scopes_claim=scopes_claim_at(scopes_claim, scope_mapping),
        )
        trusted = [self._own, *(each._own for each in others)]
        self._issuers = {each.rules.issuer: each for each in trusted}
        if len(self._issuers) < len(trusted):
            raise InvalidConfiguration("others must not name an issuer twice, or this one again.")
        self._url = url
        self._challenge_scopes = list(challenge_scopes)
        self._verification_keys = list(verification_keys)
        self._strict = strict
        self.usage: UsageReporter | None = None
        if report_usage is not None:
            self.usage = UsageReporter(issuer, audience, report_usage)
        self._jwks_url = jwks_url
        self._jwks_file: str | None = None
        self._is_attached = False
        named = os.environ.get(_KEY_SET_IN_ENVIRONMENT)
        if named is not None and (named == self._name or self.answers_to(named)):
            _ = self.jwks_file

    @property
    def jwks_file(self) -> str:
        """The value for agno's `jwks_file` or `JWT_JWKS_FILE`, if you configure agno yourself."""
        if self._jwks_file is None:
            agno_hook.install()
            self._jwks_file = agno_hook.register(self._name, self)
            agno_hook.require_effect(self._jwks_file)
        return self._jwks_file

    def auth(self, **more: Any) -> dict[str, Any]:
        """Keyword arguments for `AgentOS` of the installed agno.

        `more` is passed on: `user_isolation`, `roles_claim` and others that this agno supports.
        """
        if "jwks_file" in more:
            raise InvalidConfiguration("auth() sets jwks_file itself: remove jwks_file=….")
        verification = {
            "jwks_file": self.jwks_file,
            "algorithm": self._own.algorithms[0],
            "verification_keys": self._verification_keys or None,
        }
        pins = {"verify_audience": True, "audience": self.audience, "issuer": self.issuer}
        alone = not self._verification_keys and len(self._issuers) == 1
        return agno_app.arguments(verification, pins if alone else {}, more)

    def attach(self, app: App, *, cookie: str | None = None) -> App:
        """Add a middleware that fetches new keys before AgentOS needs them. Call it last.

        Returns `app`. `cookie` names the cookie with the token, unless agno's middleware does.
        """
        agno_app.require_authentication(app)
        agno_app.close_sockets(app, self.jwks_file, self._own.algorithms[0])
        agno_scopes.warn_of_open_routes(app)
        agno_hook.shorten_refusals()
        agno_decisions.name_exact_scopes()
        agno_app.start_with(app)
        places = agno_app.token_places(app, cookie)
        add_middleware: Any = getattr(app, "add_middleware")  # noqa: B009 - any ASGI framework's
        if self.usage is not None:
            agno_scopes.require_scopes_decide(app)
            agno_decisions.observe()
        resources = self._resources(app)
        if resources is not None:
            add_middleware(ProofReading, resources=resources, claims=self.claims)
        add_middleware(
            KeyFetching,
            places=places,
            start=self.start,
            prepare_for=self.prepare_for,
            require_valid=self._require_valid,
            usage=self.usage,
        )
        if resources is not None:
            missing = agno_scopes.missing_scopes_at(app)
            add_middleware(Challenges, resources=resources, places=places, missing_scopes=missing)
        self.start()
        self._is_attached = True
        return app

    def _resources(self, app: Any) -> ProtectedResources | None:
        """What clients find at `url`; None without one."""
        if self._url is None:
            return None
        resources = ProtectedResources(
            self._url,
            agno_app.resource_paths(app),
            list(self._issuers),
            self._challenge_scopes,
            requires_dpop=self._possession.is_required,
        )
        agno_app.require_unserved(app, resources.documents)
        return resources

    def on_behalf_of(
        self,
        token_client: Any,
        *,
        audience: str | None = None,
        scope: str | Iterable[str] | None = None,
        otherwise: Any = None,
    ) -> Any:
        """Tokens that act for the user whose request is at hand (RFC 8693).

        `token_client` is a `TokenClient` of `issuer.client`, of this issuer; `audience` and `scope`
        are by default its own. The result goes where a `TokenClient` goes: `mcp_headers`,
        `remote_agent`, `auth()`. It finds the user in the tasks and threads that a request of the
        attached app starts, and raises `NoSubjectToken` elsewhere, for callers without a user, and
        after their token has expired. Then it uses the own tokens of the `TokenClient`
        `otherwise`, if there is one.
        """
        caller.require_separate_contexts()

        def subject() -> Any:
            try:
                return caller.subject_token(self.issuer, time.time())
            except NoSubjectToken as error:
                if otherwise is None:
                    raise
                log.info("%s Using %r.", error, otherwise)
                return otherwise

        return token_client.on_behalf_of(subject, audience, scope)

    def start(self) -> None:
        """Start polling the key sets in this process. Does not block; first use does it, too.

        `report_usage` starts here, and with the lifespan of the attached app.
        """
        for issuer in self._issuers.values():
            issuer.start()
        if self.usage is not None:
            self.usage.start()

    def stop(self) -> None:
        """Stop polling in this process; report the usage, which may take five seconds."""
        for issuer in self._issuers.values():
            issuer.stop()
        if self.usage is not None:
            self.usage.stop()

    async def prepare_for(self, token: str) -> None:
        """Fetch the key set if it lacks the token's key and the rate limit of fetches allows.

        Call it before `claims` where you can await. `KeySetUnavailable` while none is available.
        """
        if any(issuer.knows(token) for issuer in self._issuers.values()):
            return
        unverified = read_unverified(token)
        if unverified.issuer in self._issuers:
            await self._issuers[unverified.issuer].prepare_for(unverified)

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a valid token of a trusted issuer. Never blocks.

        `jwt.InvalidTokenError` for other tokens, and for one that is bound to a key unless the
        request at hand has brought its proof; `KeySetUnavailable` while the issuer's keys or
        revocations are unavailable.
        """
        named = read_unverified(token).issuer
        if named not in self._issuers:
            raise other_issuer(named, *self._issuers)
        claims = self._issuers[named].claims(token)
        self._possession.require(token, claims)
        return claims

    def _require_valid(self, token: str) -> None:
        """`jwt.InvalidTokenError` for a token that was accepted and now is valid no more.

        One that agno has verified by a static key is valid until it expires.
        """
        if any(issuer.recall(token) is not None for issuer in self._issuers.values()):
            return
        unverified = read_unverified(token)
        if unverified.issuer in self._issuers:
            self._issuers[unverified.issuer].claims(token)
            return
        ends = unverified.claims.get("exp")
        if isinstance(ends, int | float) and time.time() >= ends + self._own.rules.leeway:
            raise jwt.ExpiredSignatureError("The token has expired.")

    def status(self) -> dict[str, Any]:
        """What is held, since when, and current problems, for JSON."""
        own, *others = (issuer.status() for issuer in self._issuers.values())
        usage = None if self.usage is None else self.usage.status()
        return {**own, "others": others, "usage": usage}

    def answers_to(self, value: str) -> bool:
        """Whether a `JWT_JWKS_FILE` that is a URL names this issuer."""
        standard = f"{self.issuer.rstrip('/')}/.well-known/jwks.json"
        return value in {self._jwks_url, standard, self.issuer, *metadata_urls(self.issuer)}

    @property
    def _name(self) -> str:
        return f"{self.issuer}#{self.audience}"

    def bind(self, validator: Any) -> None:
        """Verify the tokens of this agno validator from now on."""
        if not validator.validate:
            raise InvalidConfiguration("validate=False makes agno accept every token unverified.")
        self._check_environment(validator)
        validator.jwks_keys = FetchedKeys()
        validator.validate_token = BoundValidator(
            self._issuers, validator, self._warn_if_detached, self._possession
        )
        self.start()

    def _warn_if_detached(self) -> None:
        """Once, at the first token: before that, `attach` may still be called."""
        if self._is_attached:
            return
        self._is_attached = True  # warn once
        log.warning(
            "The Verifier of %s was never attached: call verifier.attach(app) last. Without it, the"
            " first requests with a new key are refused, requests while no key set is available"
            " get 401 instead of 503, and routes that require no scope are not reported.",
            self.issuer,
        )

    def _check_environment(self, validator: Any) -> None:
        """agno adds that key to every validator, and accepts it for any `iss`."""
        key = os.environ.get(_KEY_IN_ENVIRONMENT)
        if not key or key in self._verification_keys or key not in validator.verification_keys:
            return
        message = (
            f"{_KEY_IN_ENVIRONMENT} is set: agno also accepts tokens signed with that key, for any"
            f" audience. Unset it, or add the key to Verifier(verification_keys=…)."
        )
        if self._strict:
            raise InvalidConfiguration(message)
        log.critical(message)
