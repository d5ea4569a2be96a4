"""The metadata of an OpenID provider (OpenID Connect Discovery 1.0 §3)."""

from dataclasses import dataclass

from issuer.errors import InvalidCredentials, IssuerError

_MAX_URL = 2_000


class ProviderProblem(InvalidCredentials):
    """The provider did not answer as it must. `reason` is for logs and the audit log."""


class ProviderAway(IssuerError):
    """The provider cannot be reached, or is overloaded: trying again later may help."""


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """`sends_iss`: its authorization responses have `iss` (RFC 9207 §3).

    Only browsers are sent to `end_session_endpoint` (RP-Initiated Logout §2.1): no request of ours.

    One that is not `is_openid` has no ID tokens, and no parameters beyond those of OAuth.
    """

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    token_endpoint_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    sends_iss: bool = False
    is_openid: bool = True
    end_session_endpoint: str | None = None

    @property
    def endpoints(self) -> tuple[str | None, ...]:
        return self.authorization_endpoint, self.token_endpoint, self.userinfo_endpoint


def read_metadata(document: object, issuer: str) -> ProviderMetadata:
    """The metadata of this `issuer` (§4.3) in the document; `ValueError` says what is wrong."""
    if not isinstance(document, dict):
        raise ValueError("the metadata is not a JSON object")  # noqa: TRY004 - as for other values
    if document.get("issuer") != issuer:
        raise ValueError("the metadata is of another issuer")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if not isinstance(methods, list):
        raise ValueError("token_endpoint_auth_methods_supported is not a list")  # noqa: TRY004
    return ProviderMetadata(
        _url(document, "authorization_endpoint"),
        _url(document, "token_endpoint"),
        _url(document, "userinfo_endpoint") if "userinfo_endpoint" in document else None,
        tuple(each for each in methods if isinstance(each, str)),
        document.get("authorization_response_iss_parameter_supported") is True,
        end_session_endpoint=_optional_url(document, "end_session_endpoint"),
    )


def _optional_url(document: dict[str, object], name: str) -> str | None:
    """None also for a URL that is not valid: it is needed for nothing else."""
    try:
        return _url(document, name)
    except ValueError:
        return None


def _url(document: dict[str, object], name: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or not 0 < len(url) <= _MAX_URL or not url.isprintable():
        raise ValueError(f"the metadata has no {name}")
    return url
