"""QR codes as paths of an SVG. The library is imported with the first one."""

from itertools import groupby

_BORDER = 4


def qr_path(text: str) -> tuple[str, int]:
    """The path of lines for the dark modules, and how many modules a row has."""
    from segno import make  # noqa: PLC0415

    rows = [list(row) for row in make(text, error="m", micro=False).matrix_iter(border=_BORDER)]
    return "".join(_line(y, row) for y, row in enumerate(rows)), len(rows)


def _line(y: int, row: list[int]) -> str:
    text, x = "", 0
    for is_dark, run in groupby(row):
        length = len(list(run))
        text += f"M{x} {y}.5h{length}" if is_dark else ""
        x += length
    return text
