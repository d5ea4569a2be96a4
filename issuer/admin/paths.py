"""Ids that have slashes, such as URLs: `%2F` in a path is part of the id."""

from starlette.types import ASGIApp, Receive, Scope, Send

from issuer.fields.escaping import with_encoded_slashes


class EncodedSlashes:
    """Pure ASGI: routes find segments by the raw path, before `%2F` became a slash.

    A route has to decode its parameters.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_path: bytes | None = scope.get("raw_path")
        if raw_path is not None:
            scope = {**scope, "path": with_encoded_slashes(raw_path.decode("latin-1"))}
        await self._app(scope, receive, send)
