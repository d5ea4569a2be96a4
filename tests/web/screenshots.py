"""`python -m tests.web.screenshots FOLDER [NAME…]`: pictures of the pages, with sample data.

In both themes, as wide as a phone and as a desktop. Needs the Chromium of the system.
"""

import sys
from base64 import b64decode
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from issuer.web.assets import TYPES, asset_path, content
from issuer.web.rendering import Pages
from tests.builders import URL, FakeClock, settings_for
from tests.web.samples import NOW, PAGES, SHOWN

CHROMIUM = "/usr/bin/chromium"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    clock = FakeClock()
    clock.now = NOW
    with TemporaryDirectory() as data, sync_playwright() as playwright:
        pages = Pages(settings_for(Path(data)), clock)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme, size in product(THEMES, SIZES):
            take(browser, pages, names or SHOWN, theme, size, folder)
        browser.close()


def take(
    browser: Browser,
    pages: Pages,
    names: list[str],
    theme: Literal["light", "dark"],
    size: str,
    folder: Path,
) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, base_url=URL
    )
    serve(context, pages)
    page = context.new_page()
    for name in names:
        page.goto(f"/{name}")
        (folder / f"{name}-{theme}-{size}.webp").write_bytes(picture(context, page))
    context.close()


def picture(context: BrowserContext, page: Page) -> bytes:
    """The whole page as WebP, which is a fifth of a PNG. Playwright itself cannot do that."""
    height = page.evaluate("document.documentElement.scrollHeight")
    width = page.evaluate("document.documentElement.clientWidth")
    answer = context.new_cdp_session(page).send(
        "Page.captureScreenshot",
        {
            "format": "webp",
            "quality": 70,
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        },
    )
    return b64decode(answer["data"])


def serve(context: BrowserContext, pages: Pages) -> None:
    """Answer each path with the page of that name, without a server."""
    files = {asset_path(name): name for name in TYPES}

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if name := files.get(path):
            route.fulfill(body=content(name), content_type=TYPES[name])
        else:
            route.fulfill(body=pages.html(PAGES[path[1:]]), content_type="text/html")

    context.route("**/*", answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
