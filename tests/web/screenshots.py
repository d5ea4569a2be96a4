"""`python -m tests.web.screenshots FOLDER [NAME…]`: pictures of the pages, with sample data.

In both themes, as wide as a phone and as a desktop. Needs the Chromium of the system.

Pages of sign-in are rendered from sample views; those of the console by an issuer in this process.
"""

import sys
from base64 import b64decode
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from issuer.web.rendering import Pages
from tests.builders import URL, FakeClock, settings_for
from tests.web.browsing import Browser as TestBrowser
from tests.web.console.sample_issuer import sample_issuer
from tests.web.samples import NOW, PAGES, SHOWN

CHROMIUM = "/usr/bin/chromium"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


# Names of pictures, and the paths of the screens.
CONSOLE = {
    "console-overview": "/console",
    "console-audiences": "/console/audiences",
    "console-audience": "/console/audiences/support",
    "console-clients": "/console/clients",
    "console-client": "/console/clients/ticket-router",
    "console-new-client": "/console/clients?new=service",
    "console-edit-client": "/console/clients/desk?edit=yes",
    "console-acting": "/console/clients/nightly-digest",
    "console-users": "/console/users",
    "console-user": "/console/users/alice",
    "console-groups": "/console/groups",
    "console-group": "/console/groups/triage",
    "console-roles": "/console/roles",
    "console-role": "/console/roles/support-agent",
    "console-new-role": "/console/roles?new=yes",
    "console-edit-role": "/console/roles/support-agent?edit=yes",
    "console-explain": (
        "/console/explain?subject=invoice-sync&audience=support"
        "&method=POST&path=/agents/triage/runs"
    ),
    "console-on-behalf": (
        "/console/explain?subject=nightly-digest&behalf=alice&origin=support&through=desk"
        "&audience=research&method=POST&path=/agents/web/runs"
    ),
    "console-explain-token": "/console/explain/token?client=releases",
    "console-trusted-issuers": "/console/trusted-issuers",
    "console-trusted-issuer": "/console/trusted-issuers/cluster",
    "console-new-trusted-issuer": "/console/trusted-issuers?new=kubernetes",
    "console-issuer-of-people": "/console/trusted-issuers/company",
    "console-new-issuer-of-people": "/console/trusted-issuers?new=people-entra",
    "console-trusts": "/console/clients/releases",
    "console-new-trust": "/console/clients/releases?kind=github",
    "console-keys": "/console/keys",
    "console-verifiers": "/console/keys/verifiers",
    "console-audit": "/console/audit",
    "console-configuration": "/console/configuration",
}


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = names or [*SHOWN, *CONSOLE]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take_pages(browser, [name for name in names if name in PAGES], folder)
        take_console(browser, [name for name in names if name in CONSOLE], folder)
        browser.close()


def take_pages(browser: Browser, names: list[str], folder: Path) -> None:
    clock = FakeClock()
    clock.now = NOW
    with TemporaryDirectory() as data:
        pages = Pages(settings_for(Path(data)), clock)
        take(browser, lambda context: serve(context, pages), {n: f"/{n}" for n in names}, folder)


def take_console(browser: Browser, names: list[str], folder: Path) -> None:
    with TemporaryDirectory() as data, sample_issuer(Path(data)) as deployment:
        operator = TestBrowser(deployment.http)
        operator.sign_in("ada")

        def answer(route: Route) -> None:
            path = route.request.url.removeprefix(URL)
            seen = operator.get(path).response
            route.fulfill(status=seen.status_code, headers=dict(seen.headers), body=seen.content)

        def connect(context: BrowserContext) -> None:
            context.route("**/*", answer)

        take(browser, connect, {name: CONSOLE[name] for name in names}, folder)


def take(
    browser: Browser,
    connect: Callable[[BrowserContext], None],
    paths: dict[str, str],
    folder: Path,
) -> None:
    """Pictures of the pages at `paths`, by name."""
    for theme, size in product(THEMES, SIZES):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, base_url=URL
        )
        connect(context)
        page = context.new_page()
        for name, path in paths.items():
            page.goto(path)
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

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if asset := pages.assets.find(path):
            route.fulfill(body=asset.content, content_type=asset.media_type)
        else:
            route.fulfill(body=pages.html(PAGES[path[1:]]), content_type="text/html")

    context.route("**/*", answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
