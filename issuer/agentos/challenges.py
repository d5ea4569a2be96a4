"""ASGI middleware that tells clients where to get a token (RFC 9728)."""

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

from issuer.agentos.key_fetching import (
    App,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    TokenPlaces,
    send_json,
)
from issuer.agentos.protected_resource import ProtectedResources

_CHALLENGE = b"www-authenticate"
_INFO = "/info"
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

    `GET /info` of the AgentOS names the authorization servers as well.
    """

    def __init__(
        self,
        app: App,
        resources: ProtectedResources,
        places: TokenPlaces,
        missing_scopes: Callable[[Scope], Sequence[str]],
    ) -> None:
        self.app = app
        self._resources = resources
        self._places = places
        self._missing_scopes = missing_scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = path_in_app(scope)
        document = self._resources.documents.get(path.rstrip("/"))
        if document is not None and scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await _answer(document, scope["method"], send)
            return
        root = path.removesuffix(_INFO)
        if path != root and root in self._resources.paths and scope["method"] == "GET":
            scope, send = _without_compression(scope), self._describing(root, send)
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
        if status == HTTPStatus.UNAUTHORIZED:
            # With a space they are credentials of another scheme, such as `Basic …`.
            has_token = any(text and " " not in text for text in self._places.tokens_in(scope))
            return self._resources.challenge(path, "invalid_token" if has_token else "")
        if status != HTTPStatus.FORBIDDEN:
            return None
        scopes = self._missing_scopes(scope)
        return self._resources.challenge(path, "insufficient_scope", scopes) if scopes else None

    def _describing(self, root: str, send: Send) -> Send:
        """Adds to the answer of `GET /info` where clients sign in."""
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
                    described = self._resources.describe(bytes(body), root)
                    headers = _with_length(start["headers"], len(described))
                    await send({**start, "headers": headers})
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
    return (
        _expose_challenge(others) if any(name.lower() == _ALLOWED for name, _ in others) else others
    )


def _without_compression(scope: Scope) -> Scope:
    headers = [each for each in scope["headers"] if each[0].lower() != b"accept-encoding"]
    return {**scope, "headers": headers}


def _with_length(headers: Iterable[tuple[bytes, bytes]], length: int) -> Headers:
    others = [each for each in headers if each[0].lower() != b"content-length"]
    return [*others, (b"content-length", str(length).encode())]


def _expose_challenge(headers: Headers) -> Headers:
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
    await send_json(
        send, 200, document, [(b"cache-control", b"public, max-age=300"), *_PUBLIC], method
    )
