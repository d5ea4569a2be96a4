"""The look of the pages: an accent color that can be read (WCAG 2.2 §1.4.3), and a logo.

Of PNG and WebP images type and size are read from their structure, without decoding them. Not SVG:
a file of it can hold scripts, styles and references to other hosts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from zlib import crc32

MIN_CONTRAST = 4.5
# What links and buttons stand on in static/style.css: the darkest of the light theme, the lightest
# of the dark one.
_DARKEST_LIGHT, _LIGHTEST_DARK = "#f1f2f4", "#2e2412"
WHITE, BLACK = "#ffffff", "#000000"
_STEPS = 100
_LINEAR_BELOW = 0.04045


def accent_color(text: str) -> str:
    """`#rrggbb` in lower case, that can be read on the light theme; `ValueError` says what can."""
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise ValueError("must be a color such as #2952c8")
    color = text.lower()
    if (found := contrast(color, _DARKEST_LIGHT)) < MIN_CONTRAST:
        readable = _nearest(color, BLACK, _DARKEST_LIGHT)
        raise ValueError(
            f"has a contrast of {found:.1f} to 1 with the light theme, and text needs"
            f" {MIN_CONTRAST} to 1: use a darker color, such as {readable}"
        )
    return color


def in_dark_theme(accent: str) -> str:
    """The accent color, as light as text in it must be on the dark theme."""
    return _nearest(accent, WHITE, _LIGHTEST_DARK)


def mix(color: str, with_color: str, share: float) -> str:
    """`color` with that share, of 0 to 1, of another."""
    pairs = zip(_channels(color), _channels(with_color), strict=True)
    return "#" + "".join(f"{round(own + (other - own) * share):02x}" for own, other in pairs)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colors, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _nearest(color: str, towards: str, background: str) -> str:
    """`color` with as little of `towards` as makes it readable on the background."""
    steps = (mix(color, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next(each for each in steps if contrast(each, background) >= MIN_CONTRAST)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(each / 255) for each in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= _LINEAR_BELOW else ((channel + 0.055) / 1.055) ** 2.4


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


MAX_PIXELS = 1024  # of each side

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK = 12  # length, type and CRC
_RIFF_HEADER, _WEBP_CHUNK = 12, 8
_IS_ANIMATED = 0x02
_14_BITS = 0x3FFF


@dataclass(frozen=True, slots=True)
class Image:
    """`width` and `height` in pixels."""

    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int


def read_image(content: bytes) -> Image:
    """The image that the file is, whole and not animated; `ValueError` says what is wrong."""
    try:
        if content.startswith(_PNG):
            media_type, (width, height) = "image/png", _png_size(content)
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            media_type, (width, height) = "image/webp", _webp_size(content)
        else:
            raise ValueError("is neither PNG nor WebP")
    except IndexError:  # of a list or of bytes that end too early
        raise ValueError("is damaged") from None
    if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS):
        raise ValueError(
            f"is {width} x {height} pixels: at most {MAX_PIXELS} x {MAX_PIXELS} are allowed"
        )
    return Image(content, media_type, width, height)


def _png_size(content: bytes) -> tuple[int, int]:
    """ISO/IEC 15948 (PNG) §5.3 and §11.2.1."""
    chunks = list(_png_chunks(content))
    types = [name for name, _ in chunks]
    if b"acTL" in types:
        raise ValueError("is animated")
    is_whole = types[0] == b"IHDR" and b"IDAT" in types and types[-1] == b"IEND"
    if not is_whole or types.count(b"IEND") > 1:
        raise ValueError("is damaged")
    header = chunks[0][1]
    return int.from_bytes(header[:4]), int.from_bytes(header[4:8])


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        name, end = content[at + 4 : at + 8], at + _PNG_CHUNK + length
        if end > len(content) or crc32(content[at + 4 : end - 4]) != int.from_bytes(
            content[end - 4 : end]
        ):
            raise ValueError("is damaged")
        yield name, content[at + 8 : end - 4]
        at = end


def _webp_size(content: bytes) -> tuple[int, int]:
    """RFC 9649 §2.5 to §2.7."""
    sizes = set()
    for name, data in _webp_chunks(content):
        if name in {b"ANIM", b"ANMF"} or (name == b"VP8X" and data[0] & _IS_ANIMATED):
            raise ValueError("is animated")
        if name == b"VP8X":
            sizes.add((_little(data[4:7]) + 1, _little(data[7:10]) + 1))
        elif name == b"VP8L":
            bits = _little(data[1:5])
            sizes.add(((bits & _14_BITS) + 1, (bits >> 14 & _14_BITS) + 1))
        elif name == b"VP8 ":
            sizes.add((_little(data[6:8]) & _14_BITS, _little(data[8:10]) & _14_BITS))
    if len(sizes) != 1:
        raise ValueError("is damaged")
    return sizes.pop()


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if _little(content[4:8]) + 8 != len(content):
        raise ValueError("is damaged")
    at = _RIFF_HEADER
    while at < len(content):
        length = _little(content[at + 4 : at + 8])
        begin = at + _WEBP_CHUNK
        if begin + length > len(content):
            raise ValueError("is damaged")
        yield content[at : at + 4], content[begin : begin + length]
        at = begin + length + length % 2


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
