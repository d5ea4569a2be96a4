"""The syntax of a trusted issuer's members, as pydantic types."""

import re
import ssl
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from issuer.federation.fetching import is_public
from issuer.fields.fields import without_repeats
from issuer.fields.urls import LOOPBACK
from issuer.vocabulary import SigningAlgorithm, TokenAlgorithm

ALGORITHM_NAMES = (*(alg.value for alg in TokenAlgorithm), SigningAlgorithm.ED25519.value)
MAX_KEYS = 20
_MAX_CA_CERTIFICATE = 32 * 1024
_URL = re.compile(r"[!-~]{1,255}")
# SPIFFE-ID §2.1.
_TRUST_DOMAIN = re.compile(r"spiffe://[a-z0-9._-]{1,246}")
_TYP = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")  # RFC 6838 §4.2
_KEYS_SCHEMA = {
    "description": "How its keys are found: by OpenID Connect Discovery, at a URL, or given.",
    "oneOf": [
        {
            "type": "object",
            "properties": {name: kind},
            "required": [name],
            "additionalProperties": False,
        }
        for name, kind in (
            ("discovery", {"const": True}),
            ("jwks_uri", {"type": "string", "format": "uri"}),
            ("jwks", {"type": "object"}),
        )
    ],
}


def matching(pattern: re.Pattern[str], problem: str) -> AfterValidator:
    """A validator of texts that match the pattern as a whole; the `problem` is of others."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def is_trust_domain(issuer: str) -> bool:
    """Whether it is a SPIFFE trust domain, whose tokens have no `iss`."""
    return issuer.startswith("spiffe://")


def names_private_address(url: str) -> bool:
    """Whether the URL itself names an address, or `localhost`, that is not on the internet."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False  # a name: looked up and checked whenever it is fetched
    return not is_public(host)


def _web_url(text: str) -> str:
    """`https`, or `http` on loopback; without user information, query and fragment."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    allowed = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not (_URL.fullmatch(text) and host and allowed) or "@" in parts.netloc or "#" in text:
        raise ValueError(
            "must be an https URL of at most 255 ASCII characters, without user information and"
            " fragment"
        )
    return text


def _issuer(text: str) -> str:
    if is_trust_domain(text):
        if not _TRUST_DOMAIN.fullmatch(text):
            raise ValueError("must be spiffe:// and a trust domain, without a path")
        return text
    if "?" in text:
        raise ValueError("may not have a query (RFC 8414 §2)")
    return _web_url(text)


def check_keys(keys: dict[str, Any], issuer: str, algorithms: list[str]) -> dict[str, Any]:
    """The source of the keys of this issuer; `ValueError` says what is wrong with it."""
    match keys:
        case {"discovery": True, **rest} if not rest:
            if is_trust_domain(issuer):
                raise ValueError("discovery needs an https issuer: a trust domain has a jwks_uri")
            return keys
        case {"jwks_uri": str(url), **rest} if not rest:
            return {"jwks_uri": _web_url(url)}
        case {"jwks": {"keys": [*jwks]}, **rest} if not rest and 1 <= len(jwks) <= MAX_KEYS:
            from issuer.federation.public_keys import accept_jwks  # noqa: PLC0415 - 7.6 MB

            of_jwts = _without_x509(jwks) if is_trust_domain(issuer) else jwks
            return {"jwks": {"keys": accept_jwks(of_jwts, algorithms)}}
    raise ValueError(
        'must be {"discovery": true}, {"jwks_uri": URL} or'
        f' {{"jwks": {{"keys": [...]}}}} with 1 to {MAX_KEYS} keys'
    )


def _without_x509(jwks: list[Any]) -> list[Any]:
    """A SPIFFE bundle also has keys for X.509-SVIDs (SPIFFE Trust Domain and Bundle §4.2.2)."""
    left = [jwk for jwk in jwks if not (isinstance(jwk, dict) and jwk.get("use") == "x509-svid")]
    if not left:
        raise ValueError("has no key for JWT-SVIDs")
    return left


def _ca_certificate(text: str) -> str:
    if len(text) > _MAX_CA_CERTIFICATE or "PRIVATE KEY" in text:
        raise ValueError(f"must be certificates alone, at most {_MAX_CA_CERTIFICATE} characters")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, TypeError, ValueError):  # TypeError: not ASCII
        raise ValueError("must be a CA certificate in PEM") from None
    if not context.get_ca_certs():
        raise ValueError("holds no certificate of a CA")
    return text


def _as_stored(algorithm: Any) -> Any:
    """`EdDSA` for its newer name `Ed25519` (RFC 9864): a key verifies tokens with either."""
    return TokenAlgorithm.EDDSA if algorithm == SigningAlgorithm.ED25519 else algorithm


IssuerUrl = Annotated[str, AfterValidator(_issuer)]
KeySourceObject = Annotated[dict[str, Any], WithJsonSchema(_KEYS_SCHEMA)]
TokenType = Annotated[str, matching(_TYP, "must be a type such as JWT or at+jwt (RFC 7515 §4.1.9)")]
CaCertificate = Annotated[str, AfterValidator(_ca_certificate)]
_Algorithm = Annotated[
    TokenAlgorithm,
    Field(strict=False),
    BeforeValidator(_as_stored),
    WithJsonSchema({"type": "string", "enum": [*ALGORITHM_NAMES]}),
]
TokenAlgorithms = Annotated[
    list[_Algorithm],
    Field(min_length=1, max_length=len(TokenAlgorithm)),
    AfterValidator(without_repeats),
]
WORKLOAD, PEOPLE = KINDS = ("workload", "people")
Kinds = Annotated[
    list[Literal["workload", "people"]],
    Field(min_length=1, max_length=len(KINDS)),
    AfterValidator(without_repeats),
]
