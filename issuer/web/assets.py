"""The static files of the pages, each under a path with a hash of its content."""

import hashlib
from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_FILES = resources.files("issuer.web") / "static"
TYPES = {
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "passkeys.js": "text/javascript; charset=utf-8",
    "api_docs.js": "text/javascript; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_HASH_CHARACTERS = 12


@cache
def content(name: str) -> bytes:
    return (_FILES / name).read_bytes()


@cache
def asset_path(name: str) -> str:
    """The path of a file below `/assets/`; another content has another path."""
    digest = hashlib.sha256(content(name)).hexdigest()[:_HASH_CHARACTERS]
    return f"/assets/{digest}/{name}"


async def asset(request: Request) -> Response:
    """`GET /assets/{digest}/{name}`."""
    digest, name = request.path_params["digest"], request.path_params["name"]
    if name not in TYPES or asset_path(name) != f"/assets/{digest}/{name}":
        return PlainTextResponse("Not found.\n", 404)
    headers = {
        "Cache-Control": _FOR_EVER,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    return Response(content(name), media_type=TYPES[name], headers=headers)
