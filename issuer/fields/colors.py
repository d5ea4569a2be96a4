"""The accent color of the pages: whether text in it can be read (WCAG 2.2 §1.4.3)."""

import re

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
