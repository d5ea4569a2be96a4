"""Bars as an SVG picture that is readable in light and in dark, from numbers of a run."""

from collections.abc import Iterator, Mapping
from html import escape

WIDTH, LEFT, RIGHT = 780, 200, 80
ROW, BAR, PANEL, MARGIN = 26, 16, 44, 16
STYLE = """
    .page { fill: #ffffff } .text { fill: #24292f } .faint { fill: #57606a }
    .ours { fill: #3f51b5 } .other { fill: #8c959f } .limit { fill: #d0d7de }
    text { font: 13px system-ui, sans-serif } .title { font-weight: 600 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #1e2129 } .text { fill: #e6edf3 } .faint { fill: #9198a1 }
      .ours { fill: #8c9eff } .other { fill: #6e7681 } .limit { fill: #3d444d }
    }
"""


def bars(title: str, panels: Mapping[str, Mapping[str, float]], kinds: Mapping[str, str]) -> str:
    """By panel and bar. The longest bar of a panel is as wide as the picture.

    `kinds` has the class of each bar: `ours`, `other` or `limit`.
    """
    body, y = [], MARGIN
    for panel, found in panels.items():
        body += _panel(panel, found, kinds, y)
        y += PANEL + ROW * len(found)
    height = y + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"  <title>{escape(title)}</title>",
            f"  <style>{STYLE}  </style>",
            f'  <rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
            *body,
            "</svg>\n",
        ]
    )


def _panel(
    panel: str, found: Mapping[str, float], kinds: Mapping[str, str], top: int
) -> Iterator[str]:
    yield _text("title text", LEFT, top + 24, panel)
    longest = max(found.values(), default=1)
    for number, (name, value) in enumerate(found.items()):
        y = top + PANEL + ROW * number
        width = max(1, round((WIDTH - LEFT - RIGHT) * value / longest))
        yield _text("text", LEFT - 10, y + 13, name, "end")
        yield f'  <rect class="{kinds[name]}" x="{LEFT}" y="{y}" width="{width}" height="{BAR}"/>'
        yield _text("faint", LEFT + width + 8, y + 13, f"{value:,.0f}")


def _text(kind: str, x: int, y: int, text: str, anchor: str = "start") -> str:
    return f'  <text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
