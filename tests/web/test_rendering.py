"""Every page, rendered with sample data."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from issuer.web.assets import content
from issuer.web.rendering import Pages
from issuer.web.views import Form, ProblemPage, WebPage
from tests.builders import FakeClock, settings_for
from tests.web.outline import Outline
from tests.web.samples import PAGES

MARKUP = """<b id=x>&lt;"'</b></title><script>alert(1)</script>"""
MAX_BYTES_OF_STYLE = 15 * 1024


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(settings_for(tmp_path), FakeClock())


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> WebPage:
    return PAGES[request.param]


def test_a_page_is_whole_and_has_one_heading(pages: Pages, page: WebPage):
    outline = Outline(pages.html(page))
    assert len(outline.of("h1")) == len(outline.of("title")) == len(outline.of("main")) == 1
    ids = [each["id"] for _, each in outline.elements if "id" in each]
    assert len(ids) == len(set(ids))


def test_a_page_has_no_inline_style_or_script(pages: Pages, page: WebPage):
    outline = Outline(pages.html(page))
    assert not outline.of("style")
    assert all("src" in each for each in outline.of("script"))
    for _, attributes in outline.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_a_page_requests_nothing_from_elsewhere(pages: Pages, page: WebPage):
    outline = Outline(pages.html(page))
    loaded = [each.get("href") for each in outline.of("link")]
    loaded += [each.get("src") for each in outline.of("script")]
    assert all(url and url.startswith("/assets/") for url in loaded)


def test_every_form_that_posts_has_an_anti_forgery_token(pages: Pages, page: WebPage):
    html = pages.html(page)
    assert html.count('method="post"') <= html.count('name="form"')


def test_every_field_has_a_label(pages: Pages, page: WebPage):
    outline = Outline(pages.html(page))
    labelled = {each["for"] for each in outline.of("label")}
    for each in outline.of("input"):
        assert each.get("type") == "hidden" or each.get("aria-hidden") or each.get("id") in labelled


def test_markup_from_outside_is_text(pages: Pages, page: WebPage):
    """Names, error texts and everything else that a page shows."""
    before = Outline(pages.html(page))
    after = Outline(pages.html(with_markup(page)))
    assert "b" not in {tag for tag, _ in after.elements}
    assert len(after.of("script")) == len(before.of("script"))
    assert after.of("title") == [{}]


def test_a_page_is_never_framed_or_cached(pages: Pages, page: WebPage):
    headers = pages.answer(page).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] in {"same-origin", "strict-origin"}


def test_a_step_of_a_request_may_end_at_an_application(pages: Pages):
    """Chromium would block the redirect, and an opener policy would cut off a window."""
    step = pages.answer(PAGES["consent"]).headers
    account = pages.answer(PAGES["account"]).headers
    assert "form-action" not in step["content-security-policy"]
    assert "form-action 'self'" in account["content-security-policy"]
    assert "cross-origin-opener-policy" not in step
    assert account["cross-origin-opener-policy"] == "same-origin"


def test_scripts_are_allowed_only_where_passkeys_are(pages: Pages):
    plain = pages.answer(PAGES["sign-in-plain"]).headers["content-security-policy"]
    passkeys = pages.answer(PAGES["sign-in"]).headers["content-security-policy"]
    assert "script-src" not in plain
    assert "script-src 'self'" in passkeys


def test_recovery_codes_are_copied_by_a_script_that_sends_nothing(pages: Pages):
    page = pages.answer(PAGES["recovery-codes"])
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "connect-src" not in policy
    html = bytes(page.body).decode()
    assert "/copy.js" in html
    buttons = [each for each in Outline(html).of("button") if each.get("type") == "button"]
    assert len(buttons) == 2
    assert all("hidden" in each for each in buttons)


def test_the_style_sheet_stays_small():
    assert len(content("style.css")) <= MAX_BYTES_OF_STYLE


def test_a_secret_is_never_shown_by_repr():
    form = Form("the-token", "the-request")
    assert "the-token" not in repr(form)
    assert "JBSW" not in repr(PAGES["authenticator"])


def test_a_developer_sees_what_was_sent(pages: Pages):
    problem = ProblemPage(heading="h", sentence="s", parameter="redirect_uri", given=None)
    assert "nothing" in Outline(pages.html(problem)).text
    assert "(empty)" in Outline(pages.html(replace(problem, given=""))).text


def with_markup(value: Any) -> Any:
    """`value` with markup in place of every text, but for names that code compares."""
    if isinstance(value, str):
        return MARKUP
    if isinstance(value, tuple):
        return tuple(with_markup(each) for each in value)
    if isinstance(value, dict):
        return {name: with_markup(each) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name not in {"kind", "qr_path"}]
        return replace(value, **{name: with_markup(getattr(value, name)) for name in names})
    if isinstance(value, BaseModel):
        texts = {name: with_markup(each) for name, each in value if name != "kind"}
        return value.model_copy(update=texts)
    return value
