"""Protected resource metadata (RFC 9728), and challenges that name it (RFC 6750 §3)."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from issuer.agentos import caller
from issuer.agentos import key_fetching as asgi
from issuer.agentos.dpop import ALGORITHMS
from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.fetching import require_safe
from issuer.agentos.key_fetching import Headers, Message, Scope, Send

WELL_KNOWN = "/.well-known/oauth-protected-resource"
# A scope (RFC 6749 §3.3); in a quoted string it needs no escape (RFC 9110 §5.6.4).
_SCOPE = re.compile(r"[!#-\[\]-~]+")
_CHALLENGE = b"www-authenticate"
_INFO = "/info"
DPOP = "DPoP"
_ALLOWED, _EXPOSED = b"access-control-allow-origin", b"access-control-expose-headers"
_PUBLIC: Headers = [(_ALLOWED, b"*")]
_PREFLIGHT: Headers = [
    *_PUBLIC,
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"600"),
]


class ProtectedResources:
    """The AgentOS at `url`, and resources at `paths` below it: documents and challenges."""

    def __init__(
        self,
        url: str,
        paths: Iterable[str],
        issuers: Sequence[str],
        scopes: Sequence[str],
        *,
        requires_dpop: bool = False,
    ) -> None:
        self.base = base = url.rstrip("/")
        self._issuers, self._scopes, self.requires_dpop = list(issuers), list(scopes), requires_dpop
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
        members: dict[str, Any] = {"resource": resource, "authorization_servers": self._issuers}
        members["bearer_methods_supported"] = ["header"]
        members["dpop_signing_alg_values_supported"] = list(ALGORITHMS)
        members["dpop_bound_access_tokens_required"] = self.requires_dpop
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
        mcp["oauth"] = {"authorization_servers": self._issuers, "resource": self.base + path}
        return json.dumps(document).encode()

    def contains(self, path: str) -> bool:
        """Whether the path is one of the AgentOS, and not of an app around it."""
        return self._resource_at(path) is not None

    def challenge(
        self,
        path: str,
        error: str,
        scopes: Sequence[str] = (),
        scheme: str = "Bearer",
        why: str = "",
    ) -> str | None:
        """Without a token there is no `error` (RFC 6750 §3.1). None outside of the AgentOS."""
        resource = self._resource_at(path)
        if resource is None:
            return None
        parameters = {
            "error": error,
            "error_description": why,
            "scope": " ".join(scopes or self._scopes),
            "resource_metadata": self._metadata_urls[resource],
            "algs": " ".join(ALGORITHMS) if scheme == DPOP else "",
        }
        named = (f'{name}="{value}"' for name, value in parameters.items() if value)
        return f"{scheme} " + ", ".join(named)

    def _resource_at(self, path: str) -> str | None:
        for resource in self.paths:
            if path == resource or path.startswith(f"{resource}/"):
                return resource
        return None


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


@dataclass(eq=False)
class Challenges:
    """Serves the metadata documents, and adds a challenge to each refusal. Pure ASGI.

    `GET /info` of the AgentOS names the authorization servers as well.
    """

    app: asgi.App
    resources: ProtectedResources
    places: asgi.TokenPlaces
    missing_scopes: Callable[[Scope], Sequence[str]]

    async def __call__(self, scope: Scope, receive: asgi.Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = path_in_app(scope)
        document = self.resources.documents.get(path.rstrip("/"))
        if document is not None and scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await _answer(document, scope["method"], send)
            return
        root = path.removesuffix(_INFO)
        if path != root and root in self.resources.paths and scope["method"] == "GET":
            uncompressed = _without(b"accept-encoding", scope["headers"])
            scope, send = {**scope, "headers": uncompressed}, self._describing(root, send)
        scope.setdefault("state", {})  # AgentOS writes into it what it required

        async def send_with_challenge(message: Message) -> None:
            if message["type"] == "http.response.start":
                challenge = self._challenge(scope, path, message["status"])
                if challenge is not None:
                    headers = _with_challenge(message.get("headers", ()), challenge.encode())
                    message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, send_with_challenge)

    def _challenge(self, scope: Scope, path: str, status: int) -> str | None:
        request = caller.request_of(scope)
        refusal = request.refusal if request else None
        is_of_dpop = refusal is not None or (request is not None and request.is_of_dpop)
        scheme = DPOP if is_of_dpop or self.resources.requires_dpop else "Bearer"
        challenge = partial(self.resources.challenge, path, scheme=scheme)
        if status == HTTPStatus.UNAUTHORIZED:
            if refusal is not None:
                return challenge(refusal.error, why=str(refusal))
            # With a space they are credentials of another scheme, such as `Basic …`.
            has_token = any(text and " " not in text for text in self.places.tokens_in(scope))
            return challenge("invalid_token" if has_token else "")
        if status != HTTPStatus.FORBIDDEN:
            return None
        scopes = self.missing_scopes(scope)
        return challenge("insufficient_scope", scopes) if scopes else None

    def _describing(self, root: str, send: Send) -> Send:
        start: Message | None = None
        body = bytearray()

        async def send_described(message: Message) -> None:
            nonlocal start
            if message.get("status") == HTTPStatus.OK:
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    described = self.resources.describe(bytes(body), root)
                    others = _without(b"content-length", start["headers"])
                    length = (b"content-length", str(len(described)).encode())
                    await send({**start, "headers": [*others, length]})
                    await send({**message, "body": described})

        return send_described


def path_in_app(scope: Scope) -> str:
    """Without the path at which a server or another app serves this one."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _with_challenge(headers: Iterable[tuple[bytes, bytes]], challenge: bytes) -> Headers:
    """With the challenge before those of other schemes: clients read the first one only."""
    others = [
        (name, value)
        for name, value in headers
        if name.lower() != _CHALLENGE or value[:6].lower() != b"bearer"
    ]
    first = next((i for i, (name, _) in enumerate(others) if name.lower() == _CHALLENGE), None)
    others.insert(len(others) if first is None else first, (_CHALLENGE, challenge))
    if len(_without(_ALLOWED, others)) == len(others):
        return others
    # `*` does not cover requests with credentials (Fetch, CORS protocol).
    exposed = [value for name, value in others if name.lower() == _EXPOSED]
    names = b", ".join([*exposed, b"WWW-Authenticate"])
    return [*_without(_EXPOSED, others), (_EXPOSED, names)]


def _without(name: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [each for each in headers if each[0].lower() != name]


async def _answer(document: bytes, method: str, send: Send) -> None:
    """Anyone may read the document, from any origin; it depends on nothing in the request."""
    if method == "OPTIONS":
        await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
        await send({"type": "http.response.body", "body": b""})
        return
    more = [(b"cache-control", b"public, max-age=300"), *_PUBLIC]
    await asgi.send_json(send, 200, document, more, method)
