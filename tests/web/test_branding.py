"""Name, logo, accent color and help line of the deployment."""

import re
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.composition.composition import read_logo
from issuer.errors import ConfigurationError
from issuer.fields.branding import (
    BLACK,
    MIN_CONTRAST,
    WHITE,
    accent_color,
    contrast,
    in_dark_theme,
    read_image,
)
from issuer.web.assets import Assets, content
from issuer.web.rendering import Pages
from issuer.web.views import WebPage
from tests.builders import FakeClock, settings_for
from tests.rows import rows
from tests.web.images import extended, lossless, lossy, png, webp
from tests.web.outline import Outline
from tests.web.samples import PAGES

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
RULE = r"--{}: (#[0-9a-f]{{3,6}})"
ACCENT = "#00695c"


def branded(tmp_path: Path, logo: bytes | None = None, **settings: str) -> Pages:
    if logo is not None:
        (tmp_path / "logo").write_bytes(logo)
        settings["brand_logo"] = str(tmp_path / "logo")
    read = settings_for(tmp_path, **settings)
    return Pages(read, FakeClock(), read_logo(read))


@pytest.fixture(params=["sign-in", "consent-identity", "account", "problem", "home"])
def page(request: pytest.FixtureRequest) -> WebPage:
    return PAGES[request.param]


def test_the_name_stands_in_place_of_the_host(tmp_path: Path, page: WebPage):
    outline = Outline(branded(tmp_path, brand_name="Example <b>Inc.").html(page))
    assert "Example <b>Inc." in outline.text
    assert not outline.of("b")


def test_the_logo_stands_in_place_of_the_sign_and_the_name(tmp_path: Path, page: WebPage):
    pages = branded(tmp_path, png(), brand_name='Example "Inc."')
    (logo, *_) = Outline(pages.html(page)).of("img")
    assert logo["alt"] == 'Example "Inc."'
    assert (logo["width"], logo["height"]) == ("320", "80")
    assert pages.assets.find(logo["src"] or "").content == png()


def test_the_help_is_a_line_below_the_page_with_links(tmp_path: Path, page: WebPage):
    help_line = "<i> Ask help@example.com, or see https://help.example.com/?a=1&b=2."
    outline = Outline(branded(tmp_path, brand_help=help_line).html(page))
    links = [each["href"] for each in outline.of("a")]
    assert "mailto:help@example.com" in links
    assert "https://help.example.com/?a=1&b=2" in links
    assert "<i> Ask" in outline.text


def test_the_help_is_instead_of_the_advice_to_ask_whoever_runs_the_issuer(tmp_path: Path):
    plain = branded(tmp_path).html(PAGES["sign-in"])
    helped = branded(tmp_path, brand_help="Ask the desk.").html(PAGES["sign-in"])
    assert "Ask whoever runs" in plain
    assert "Ask whoever runs" not in helped


@rows(
    ("image", "media_type", "size"),
    [
        (png(), "image/png", (320, 80)),
        (png(1024, 1), "image/png", (1024, 1)),
        (webp(lossless(640, 160)), "image/webp", (640, 160)),
        (webp(lossy(33, 7)), "image/webp", (33, 7)),
        (webp(extended(48, 48), (b"ICCP", b"odd"), lossless(48, 48)), "image/webp", (48, 48)),
    ],
)
def test_png_and_webp_files_are_accepted(
    image: bytes, media_type: str, size: tuple[int, int], tmp_path: Path
):
    found = read_image(image)
    assert (found.media_type, (found.width, found.height)) == (media_type, size)


@rows(
    ("image", "reason"),
    [
        (SVG, "neither PNG nor WebP"),
        (b"GIF89a", "neither PNG nor WebP"),
        (b"", "neither PNG nor WebP"),
        (png(1025, 1), "1025 x 1 pixels"),
        (png(0, 1), "0 x 1 pixels"),
        (webp(lossless(16384, 8)), "16384 x 8 pixels"),
        (png(8, 8, (b"acTL", bytes(8))), "is animated"),
        (webp(extended(8, 8, flags=2), lossless(8, 8)), "is animated"),
        (webp(extended(8, 8), (b"ANMF", b"")), "is animated"),
        (png()[:-1], "is damaged"),
        (png() + SVG, "is damaged"),
        (png()[:8], "is damaged"),
        (png()[:-12], "is damaged"),
        (png().replace(b"IDAT", b"IDAX"), "is damaged"),
        (png() + png()[8:], "is damaged"),
        (webp(lossless(8, 8)) + SVG, "is damaged"),
        (webp(lossless(8, 8))[:-2], "is damaged"),
        (webp(extended(8, 8), lossless(9, 9)), "is damaged"),
        (webp((b"VP8X", b"")), "is damaged"),
        (webp(), "is damaged"),
        (bytes(64 * 1024 + 1), "is larger than 65536 bytes"),
    ],
)
def test_another_logo_stops_the_start_with_one_sentence(image: bytes, reason: str, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=reason) as refused:
        branded(tmp_path, image)
    assert str(refused.value).startswith("ISSUER_BRAND_LOGO")
    assert "\n" not in str(refused.value)


def test_a_logo_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"ISSUER_BRAND_LOGO cannot be read: .*no\.png"):
        branded(tmp_path, brand_logo=str(tmp_path / "no.png"))


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_fail_otherwise(data: bytes):
    for each in (data, png()[:8] + data, webp((b"VP8X", data)), webp((b"VP8L", data))):
        with suppress(ValueError):
            read_image(each)


def test_the_logo_is_served_as_an_image_and_nothing_else(tmp_path: Path):
    assets = branded(tmp_path, png()).assets
    assert assets.logo == "logo.png"
    assert assets.find(assets.path("logo.png")).media_type == "image/png"


@given(COLORS)
def test_text_of_every_accepted_accent_can_be_read_in_both_themes(color: str):
    try:
        accent = accent_color(color)
    except ValueError as error:
        accent = accent_color(re.findall("#[0-9a-f]{6}", str(error))[-1])  # what it suggests
    style = Assets(accent).find(Assets(accent).path("style.css")).content.decode()
    light, dark = (
        {name: re.findall(RULE.format(name), part)[-1] for name in ("accent", "on-accent")}
        | {"strong": re.findall(RULE.format("accent-strong"), part)[-1]}
        for part in style[len(content("style.css")) :].split("@media")
    )
    for theme, backgrounds in ((light, THEMES[0]), (dark, THEMES[1])):
        for each in ("accent", "strong"):
            assert contrast(theme[each], theme["on-accent"]) >= MIN_CONTRAST
            for background in backgrounds:
                assert contrast(theme[each], background) >= MIN_CONTRAST


def backgrounds(style: str) -> list[str]:
    """What text stands on, in the style sheet of the package."""
    found = re.findall(r"--(?:page|surface|[a-z]*-?tint): ?(#[0-9a-f]{3,6})[;}]", style)
    return [each if len(each) > 4 else "#" + "".join(c * 2 for c in each[1:]) for each in found]


THEMES = [backgrounds(part) for part in content("style.css").decode().split("@media", 2)[:2]]


def test_both_themes_have_backgrounds():
    assert [len(each) for each in THEMES] == [6, 6]


@given(COLORS)
def test_the_dark_theme_keeps_a_color_that_can_be_read(color: str):
    if contrast(color, "#2e2412") >= MIN_CONTRAST:
        assert in_dark_theme(color) == color


def test_contrast_is_that_of_wcag():
    assert contrast(BLACK, WHITE) == 21
    assert round(contrast("#767676", WHITE), 2) == 4.54


@rows(
    ("value", "says"),
    [
        ("#ffd400", "has a contrast of 1.3 to 1 .* such as #[0-9a-f]{6}"),
        ("yellow", "must be a color such as"),
        ("#fff", "must be a color such as"),
        ("#0000000", "must be a color such as"),
        ("red;}body{display:none", "must be a color such as"),
    ],
)
def test_another_accent_stops_the_start_with_one_sentence(value: str, says: str, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=f"ISSUER_BRAND_ACCENT: {says}"):
        settings_for(tmp_path, brand_accent=value)


@rows(
    ("name", "value"),
    [
        ("brand_name", "x" * 61),
        ("brand_name", "two\nlines"),
        ("brand_name", "right\u202eto left"),
        ("brand_help", "x" * 201),
        ("brand_help", "nothing\0here"),
    ],
)
def test_a_text_is_one_printable_line(name: str, value: str, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=f"ISSUER_{name.upper()}: must be one line"):
        settings_for(tmp_path, **{name: value})


def test_without_settings_the_pages_are_as_they_were(tmp_path: Path):
    pages = branded(tmp_path)
    assert pages.assets.find(pages.assets.path("style.css")).content == content("style.css")
    assert "<img" not in pages.html(PAGES["sign-in"])


def test_another_name_of_a_file_is_not_found(http: httpx.Client):
    assert http.get("/assets/0/logo.png").status_code == httpx.codes.NOT_FOUND
