"""The files that pages use: those of the package, and the logo and colors of the deployment."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from issuer.fields.branding import BLACK, WHITE, Image, in_dark_theme, mix

_FILES = resources.files("issuer.web") / "static"
STYLE = "style.css"
TYPES = {
    STYLE: "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "passkeys.js": "text/javascript; charset=utf-8",
    "copy.js": "text/javascript; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "api_docs.js": "text/javascript; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_HASH_CHARACTERS = 12
_HOVERED = 0.25
_DARK_SCREEN = "screen and (prefers-color-scheme: dark)"  # what is printed is light
_SUPERFLUOUS = re.compile(rb"/\*.*?\*/|(?<=[:;,{}>+])\s+|\s+(?=[{>+])", re.DOTALL)
# Logos are drawn for a light background.
_LOGO_STYLE = """
.logo { display: block; width: auto; height: auto; max-width: 160px; max-height: 40px; }
.tile .logo { max-width: 36px; max-height: 36px; }
@media (prefers-color-scheme: dark) {
  .logo { padding: 4px; border-radius: 6px; background: #fff; }
}
"""


@cache
def content(name: str) -> bytes:
    """A file of the package; the style sheet without comments and without most of its spaces."""
    text = (_FILES / name).read_bytes()
    return _SUPERFLUOUS.sub(b"", text) if name == STYLE else text


@dataclass(frozen=True, slots=True)
class Asset:
    path: str
    content: bytes
    media_type: str


class Assets:
    """Each has a path below `/assets/` that names its content, so that it is cached for ever."""

    def __init__(self, accent: str | None = None, logo: Image | None = None) -> None:
        style = content(STYLE) + _accent_style(accent).encode()
        if logo is not None:
            style += _LOGO_STYLE.encode()
        files = {name: (content(name), media_type) for name, media_type in TYPES.items()}
        files[STYLE] = style, TYPES[STYLE]
        self.logo: str | None = None
        if logo is not None:
            self.logo = f"logo.{logo.media_type.rpartition('/')[2]}"
            files[self.logo] = logo.content, logo.media_type
        self._by_name = {name: _asset(name, *file) for name, file in files.items()}
        self._by_path = {each.path: each for each in self._by_name.values()}

    def path(self, name: str) -> str:
        return self._by_name[name].path

    def find(self, path: str) -> Asset | None:
        return self._by_path.get(path)

    async def answer(self, request: Request) -> Response:
        """`GET /assets/{digest}/{name}`."""
        asset = self.find("/assets/{digest}/{name}".format(**request.path_params))
        if asset is None:
            return PlainTextResponse("Not found.\n", 404)
        headers = {
            "Cache-Control": _FOR_EVER,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        }
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _asset(name: str, content: bytes, media_type: str) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]
    return Asset(f"/assets/{digest}/{name}", content, media_type)


def _accent_style(accent: str | None) -> str:
    """The custom properties of style.css in both themes."""
    if accent is None:
        return ""
    light = _properties(accent, mix(accent, BLACK, _HOVERED), WHITE)
    lighter = in_dark_theme(accent)
    dark = _properties(lighter, mix(lighter, WHITE, _HOVERED), BLACK)
    return f":root {{ {light} }}\n@media {_DARK_SCREEN} {{ :root {{ {dark} }} }}\n"


def _properties(accent: str, strong: str, on_accent: str) -> str:
    return f"--accent: {accent}; --accent-strong: {strong}; --on-accent: {on_accent};"
