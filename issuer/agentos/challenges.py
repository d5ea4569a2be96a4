"""ASGI middleware that tells clients where to get a token (RFC 9728)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from issuer.agentos.key_fetching import App, Message, Receive, Scope, Send, tokens_in
from issuer.agentos.protected_resource import ProtectedResources

Headers = list[tuple[bytes, bytes]]

_UNAUTHORIZED, _FORBIDDEN = 401, 403
_CHALLENGE = b"www-authenticate"
_ALLOWED, _EXPOSED = b"access-control-allow-origin", b"access-control-expose-headers"
_PUBLIC: Headers = [(_ALLOWED, b"*")]
_PREFLIGHT: Headers = [
    *_PUBLIC,
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"600"),
]


class Challenges:
    """Serves the metadata documents, and adds a challenge to each refusal. Pure ASGI.

    `missing_scopes` returns the scopes for lack of which AgentOS refused a request, by its state.
    """

    def __init__(
        self,
        app: App,
        resources: ProtectedResources,
        headers: Iterable[str],
        cookies: Sequence[str],
        missing_scopes: Callable[[dict[str, Any]], Sequence[str]],
    ) -> None:
        self.app = app
        self._resources = resources
        self._headers = frozenset(name.lower().encode("latin-1") for name in headers)
        self._cookies = tuple(cookies)
        self._missing_scopes = missing_scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _path_in_app(scope)
        document = self._resources.document(path)
        if document is not None and scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await _answer(document, scope["method"], send)
            return
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
        if status == _UNAUTHORIZED:
            if any(_is_token(text) for text in tokens_in(scope, self._headers, self._cookies)):
                return self._resources.challenge_of_invalid_token(path)
            return self._resources.challenge_without_token(path)
        if status == _FORBIDDEN and (scopes := self._missing_scopes(scope["state"])):
            return self._resources.challenge_of_scope(path, scopes)
        return None


def _path_in_app(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _is_token(text: str) -> bool:
    """Whether it is a token, not credentials of another scheme, such as `Basic …`."""
    return bool(text) and " " not in text


def _with_challenge(headers: Iterable[tuple[bytes, bytes]], challenge: bytes) -> Headers:
    """`headers` with the challenge in front of those of other schemes.

    Clients read the first one only. A browser may read it where the answer allows the origin.
    """
    others = [each for each in headers if not _is_bearer(*each)]
    first = next((i for i, (name, _) in enumerate(others) if name.lower() == _CHALLENGE), None)
    others.insert(len(others) if first is None else first, (_CHALLENGE, challenge))
    return _exposed(others) if any(name.lower() == _ALLOWED for name, _ in others) else others


def _is_bearer(name: bytes, value: bytes) -> bool:
    return name.lower() == _CHALLENGE and value[:6].lower() == b"bearer"


def _exposed(headers: Headers) -> Headers:
    """`*` does not cover requests with credentials (Fetch, CORS protocol)."""
    exposed = [value for name, value in headers if name.lower() == _EXPOSED]
    rest = [each for each in headers if each[0].lower() != _EXPOSED]
    return [*rest, (_EXPOSED, b", ".join([*exposed, b"WWW-Authenticate"]))]


async def _answer(document: bytes, method: str, send: Send) -> None:
    """Anyone may read the document, from any origin; it depends on nothing in the request."""
    if method == "OPTIONS":
        await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(document)).encode()),
        (b"cache-control", b"public, max-age=300"),
        *_PUBLIC,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else document})
