"""Protected resource metadata (RFC 9728), and challenges that name it (RFC 6750 §3)."""

import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.fetching import require_safe

WELL_KNOWN = "/.well-known/oauth-protected-resource"
# A scope (RFC 6749 §3.3); in a quoted string it needs no escape (RFC 9110 §5.6.4).
_SCOPE = re.compile(r"[!#-\[\]-~]+")


class ProtectedResources:
    """The AgentOS at `url`, and resources at `paths` below it: documents and challenges."""

    def __init__(
        self, url: str, paths: Iterable[str], issuers: Sequence[str], scopes: Sequence[str]
    ) -> None:
        base = url.rstrip("/")
        self._base, self._issuers, self._scopes = base, list(issuers), list(scopes)
        # The longest first: `/mcp` is more specific than the AgentOS itself.
        self.paths = sorted(set(paths), key=len, reverse=True)
        self._metadata_urls = {path: f"{base}{WELL_KNOWN}{path}" for path in self.paths}
        self.documents: dict[str, bytes] = {}
        """By their paths in the app."""
        for path in self.paths:
            document = self._document(base + path)
            # RFC 9728 §3.1 puts the path of `url` last. A proxy that forwards only what is below
            # `url` needs it first.
            for place in (path, urlsplit(base).path + path):
                self.documents[WELL_KNOWN + place] = document

    def _document(self, resource: str) -> bytes:
        """Without `scopes_supported`, clients ask for no scope, or for those of OpenID Connect.

        Either means all that a user holds.
        """
        members = {
            "resource": resource,
            "authorization_servers": self._issuers,
            "bearer_methods_supported": ["header"],
        }
        if self._scopes:
            members["scopes_supported"] = self._scopes
        return json.dumps(members).encode()

    def describe(self, info: bytes, root: str) -> bytes:
        """The answer of `GET /info` of the AgentOS at the path `root`, with `mcp.oauth`.

        By it, `agno connect` knows that clients sign in, and need no service account. agno fills
        it for its own `mcp_auth` only. Anything unexpected is returned as it is.
        """
        try:
            document = json.loads(info)
        except (ValueError, RecursionError):
            return info
        mcp = document.get("mcp") if isinstance(document, dict) else None
        if not isinstance(mcp, dict) or not mcp.get("enabled"):
            return info
        path = f"{root}{mcp.get('path') or '/mcp'}"
        if path not in self.paths:
            return info
        mcp["oauth"] = {"authorization_servers": self._issuers, "resource": self._base + path}
        return json.dumps(document).encode()

    def challenge(self, path: str, error: str, scopes: Sequence[str] = ()) -> str | None:
        """Without a token there is no `error` (RFC 6750 §3.1). None outside of the AgentOS."""
        for resource in self.paths:
            if path == resource or path.startswith(f"{resource}/"):
                break
        else:
            return None
        parameters = {
            "error": error,
            "scope": " ".join(scopes or self._scopes),
            "resource_metadata": self._metadata_urls[resource],
        }
        return "Bearer " + ", ".join(
            f'{name}="{value}"' for name, value in parameters.items() if value
        )


def require_sound_resource(url: str | None, scopes: Sequence[str], *, allow_http: bool) -> None:
    """`InvalidConfiguration` for a URL or scopes that a challenge cannot contain."""
    if url is not None:
        if not is_scope(url):
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
