"""Protected resource metadata (RFC 9728), and challenges that name it (RFC 6750 §3)."""

import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.fetching import require_safe

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_URL = re.compile(r"[!#-\[\]-~]+")  # these need no escape in a quoted string (RFC 9110 §5.6.4)
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749 §3.3


class ProtectedResources:
    """The AgentOS at `url` and its MCP endpoints: each has a document and a challenge.

    `paths` are the paths of these resources, relative to `url`.
    """

    def __init__(
        self, url: str, paths: Iterable[str], issuers: Sequence[str], scopes: Sequence[str]
    ) -> None:
        base = url.rstrip("/")
        self._scopes = list(scopes)
        # The longest first: `/mcp` is more specific than the AgentOS itself.
        self._paths = sorted(set(paths), key=len, reverse=True)
        self._metadata_urls = {path: f"{base}{WELL_KNOWN}{path}" for path in self._paths}
        self._documents: dict[str, bytes] = {}
        for path in self._paths:
            document = self._document(base + path, issuers)
            # RFC 9728 §3.1 puts the path of `url` last. A proxy that forwards only what is below
            # `url` needs it first.
            for place in (path, urlsplit(base).path + path):
                self._documents[WELL_KNOWN + place] = document

    def _document(self, resource: str, issuers: Sequence[str]) -> bytes:
        """Without `scopes_supported`, clients ask for no scope, or for those of OpenID Connect.

        Either means all that a user holds.
        """
        members = {
            "resource": resource,
            "authorization_servers": list(issuers),
            "bearer_methods_supported": ["header"],
        }
        if self._scopes:
            members["scopes_supported"] = self._scopes
        return json.dumps(members).encode()

    @property
    def document_paths(self) -> Sequence[str]:
        return list(self._documents)

    def document(self, path: str) -> bytes | None:
        """The metadata document at this path of the app."""
        return self._documents.get(path.rstrip("/"))

    def challenge_without_token(self, path: str) -> str | None:
        """RFC 6750 §3.1: no error code. None for a path outside of the AgentOS."""
        return self._challenge(path, scopes=self._scopes)

    def challenge_of_invalid_token(self, path: str) -> str | None:
        return self._challenge(path, "invalid_token", self._scopes)

    def challenge_of_scope(self, path: str, scopes: Sequence[str]) -> str | None:
        return self._challenge(path, "insufficient_scope", scopes)

    def _challenge(self, path: str, error: str = "", scopes: Sequence[str] = ()) -> str | None:
        resource = next((known for known in self._paths if _is_below(path, known)), None)
        if resource is None:
            return None
        parameters = {
            "error": error,
            "scope": " ".join(scopes),
            "resource_metadata": self._metadata_urls[resource],
        }
        return "Bearer " + ", ".join(
            f'{name}="{value}"' for name, value in parameters.items() if value
        )


def require_sound_resource(url: str | None, scopes: Sequence[str], *, allow_http: bool) -> None:
    """`InvalidConfiguration` for a URL or scopes that a challenge cannot contain."""
    if url is not None:
        if not isinstance(url, str) or not _URL.fullmatch(url):
            raise InvalidConfiguration(f"url must be an https:// URL, not {url!r}.")
        require_safe(url, allow_http=allow_http)
        if urlsplit(url).query or urlsplit(url).fragment:
            raise InvalidConfiguration("url may have no query and no fragment (RFC 9728 §1.2).")
    if isinstance(scopes, str) or not all(is_scope(scope) for scope in scopes):
        raise InvalidConfiguration(f"challenge_scopes must be a list of scopes, not {scopes!r}.")
    if scopes and url is None:
        raise InvalidConfiguration("challenge_scopes needs url, the URL of this AgentOS.")


def is_scope(value: object) -> bool:
    return isinstance(value, str) and _SCOPE.fullmatch(value) is not None


def _is_below(path: str, resource: str) -> bool:
    return path == resource or path.startswith(f"{resource}/")
