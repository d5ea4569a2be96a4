"""Lets `jwks_file` of agno's validators name a `Verifier`, which then verifies. Hooks one method.

agno passes the value of `jwks_file` to all four places where it verifies tokens: REST, both
kinds of WebSocket authentication, and `/mcp`. The path of a file keeps its meaning.
"""

import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version
from itertools import chain, count
from typing import Any

import jwt

from issuer.agentos import caller
from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.possession import PossessionRule
from issuer.agentos.rules import other_issuer, read_unverified

log = logging.getLogger(__name__)

Audience = str | Iterable[str] | None

_METHOD = "_load_jwks_file"
_CALLED_WITH = ["self", "file_path"]
_HOOKED = "agentos_issuer_hook"


# A `Verifier` takes over the validators that are built with its `jwks_file`.
_verifiers: dict[str, Any] = {}
_installing = threading.Lock()


def register(name: str, verifier: Any) -> str:
    """Register it as `name`, or `name~2` and so on; returns the value to use as `jwks_file`."""
    with _installing:
        names = chain([name], (f"{name}~{number}" for number in count(2)))
        value = next(each for each in names if each not in _verifiers)
        _verifiers[value] = verifier
        return value


def install() -> None:
    """Hook agno's method, once. `InvalidConfiguration` if this agno lacks it."""
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415 - an extra

    with _installing:
        stock = getattr(JWTValidator, _METHOD, None)
        if stock is None or list(inspect.signature(stock).parameters) != _CALLED_WITH:
            raise InvalidConfiguration(incompatibility())
        if hasattr(stock, _HOOKED):
            return

        @wraps(stock)
        def load(self: Any, file_path: str) -> None:
            verifier = _verifier_for(file_path)
            if verifier is None:
                stock(self, file_path)
            else:
                verifier.bind(self)

        setattr(load, _HOOKED, True)
        setattr(JWTValidator, _METHOD, load)


def require_effect(jwks_file: str) -> None:
    """`InvalidConfiguration` unless a validator with that `jwks_file` is bound to its Verifier."""
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415 - an extra

    try:
        probe = JWTValidator(jwks_file=jwks_file)
    except InvalidConfiguration:
        raise
    except Exception as error:
        raise InvalidConfiguration(incompatibility()) from error
    if not isinstance(probe.validate_token, BoundValidator):
        raise InvalidConfiguration(incompatibility())


def _verifier_for(value: Any) -> Any:
    """The Verifier that `value`, given as the path of a file, names; None if it is a path."""
    value = str(value)
    if value in _verifiers or "://" not in value:
        return _verifiers.get(value)
    matching = [each for each in _verifiers.values() if each.answers_to(value)]
    if len(matching) == 1:
        return matching[0]
    raise InvalidConfiguration(
        f"Cannot use the key set {value}: "
        + ("several Verifiers match it; give each AgentOS its own verifier.jwks_file." if matching
           else "create a Verifier first, with the issuer and the audience to require.")
    )  # fmt: skip


def replace(stock: Callable[..., Any], other: Callable[..., Any]) -> None:
    """In its own module, and in those of agno that have imported it by name."""
    setattr(other, _HOOKED, True)
    for name, module in list(sys.modules.items()):
        if name.startswith("agno.") and vars(module).get(stock.__name__) is stock:
            setattr(module, stock.__name__, other)


def is_replaced(function: Callable[..., Any]) -> bool:
    return hasattr(function, _HOOKED)


def incompatibility() -> str:
    """Why the installed agno cannot be used, for `InvalidConfiguration`."""
    return (
        f"agno {version('agno')} verifies tokens in a way that this adapter does not support:"
        " update agentos-issuer, or install the previous agno."
    )


def shorten_refusals() -> None:
    """Log a call of an MCP tool without permission here, in one line. Others keep a traceback."""
    logging.getLogger("fastmcp.server.server").addFilter(_is_no_refusal)  # which adds it once


def _is_no_refusal(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if type(error) is not Exception or not str(error).startswith("Insufficient permissions"):
        return True
    message = record.getMessage().replace("Error calling tool", "Refused the MCP tool")
    log.warning("%s: %s", message, error)
    return False


@dataclass(eq=False, repr=False)
class BoundValidator:
    """Replaces `JWTValidator.validate_token`.

    The unverified `iss` decides which keys may verify the token: a trusted issuer has those of its
    key set and no others, and they verify for no other issuer. Tokens of other issuers go to
    agno's own code if static keys are configured. `before()` is called first, each time. Whoever
    signed it, a token that is bound to a key is refused without a proof.
    """

    issuers: Mapping[str, TrustedIssuer]
    validator: Any
    before: Callable[[], None]
    possession: PossessionRule

    def __post_init__(self) -> None:
        self._stock: Callable[[str, Any], dict[str, Any]] = self.validator.validate_token

    def __call__(self, token: str, expected_audience: Audience = None) -> dict[str, Any]:
        """The claims of a valid token, else `jwt.InvalidTokenError`. Never blocks."""
        self.before()
        claims = self._verify(token, expected_audience)
        self.possession.require(token, claims)
        caller.accept(token, claims)
        return claims

    def _verify(self, token: str, expected_audience: Audience) -> dict[str, Any]:
        for issuer in self.issuers.values():
            if (claims := issuer.recall(token)) is not None:
                return self._as_agno_expects(claims, issuer, expected_audience)
        try:
            named = read_unverified(token).issuer
        except jwt.InvalidTokenError:
            if not self.validator.verification_keys:
                raise
            named = None  # agno raises the error
        if named is not None and named in self.issuers:
            issuer = self.issuers[named]
            return self._as_agno_expects(issuer.claims(token), issuer, expected_audience)
        if not self.validator.verification_keys:
            raise other_issuer(named, *self.issuers)
        claims = self._stock(token, expected_audience)
        if claims.get("iss") in self.issuers:
            raise jwt.InvalidIssuerError("The token's key is not one of its issuer.")
        return claims

    def _as_agno_expects(
        self, claims: dict[str, Any], issuer: TrustedIssuer, expected: Audience
    ) -> dict[str, Any]:
        """Check also the audience and (since 3.1) the issuer that agno is configured with."""
        audience = claims[issuer.rules.audience_claim]
        named = set(audience if isinstance(audience, list) else [audience])
        if expected and named.isdisjoint([expected] if isinstance(expected, str) else expected):
            raise jwt.InvalidAudienceError("The token is for another audience.")
        pinned = getattr(self.validator, "issuer", None)
        if pinned and claims["iss"] != pinned:
            raise other_issuer(claims["iss"], pinned)
        if issuer.scopes_claim:
            claims[self.validator.scopes_claim] = claims["scopes"]
        return claims


class FetchedKeys(dict[str, Any]):
    """In place of keys of a file: true, as agno requires some; empty, so that it finds none."""

    def __bool__(self) -> bool:
        return True
