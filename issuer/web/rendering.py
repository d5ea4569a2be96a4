"""Pages, their headers and their language. Jinja is imported with the first page."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from issuer.clock import Clock
from issuer.fields.branding import Image
from issuer.http.cookies import LANGUAGE, Cookies
from issuer.languages import LANGUAGES, NAMES, SOURCE, _, choose_language, language, ngettext
from issuer.languages.catalogues import browser_name, date_and_time
from issuer.operations import commands
from issuer.settings import Settings
from issuer.telemetry.logs import request_id, request_scope
from issuer.web import words
from issuer.web.assets import Assets
from issuer.web.views import COPY, Form, ProblemPage, WebPage

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it, browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_MOST_REPEATED = 500  # characters of a query
_ASKED = re.compile(r"(?:^|&)language=([^&]*)")  # for a language, in a query
LANGUAGE_KEPT = timedelta(days=365)
_IS_TRANSLATED = "issuer.is_translated"  # in the scope of a request
_MARK = (
    '<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path fill-rule="evenodd" d="M12 1 3'
    " 4.500v6.200c0 5.600 3.800 10.300 9 12.300 5.200-2 9-6.700 9-12.300V4.500zM12 7a3 3 0 0"
    ' 0-1.500 5.600V17h3v-4.400A3 3 0 0 0 12 7z"/></svg>'
)


def page_headers(
    *,
    script: str = "",
    serves_request: bool,
    leads_elsewhere: bool = False,
    has_data_images: bool = False,
) -> dict[str, str]:
    """The headers of one page; `serves_request` if it is a step of an authorization request.

    Such a step ends with a redirect to an application. Chromium applies `form-action` to
    the redirects after a form as well, so it stays out there, and where a form `leads_elsewhere`:
    a trusted issuer may send the browser on. So does the opener policy of a step: an
    application that opened the page in a window of its own waits for the answer there. Its URL may
    hold the whole request, which `Referer` need not repeat: proxies limit the size of headers.
    """
    policy, headers = dict(_POLICY), dict(_HEADERS)
    if script:
        policy["script-src"] = "'self'"
    if script and script != COPY:  # which sends nothing
        policy["connect-src"] = "'self'"
    if has_data_images:
        policy["img-src"] = "'self' data:"
    if not (serves_request or leads_elsewhere):
        policy["form-action"] = "'self'"
    if serves_request:
        headers["Referrer-Policy"] = "strict-origin"
    else:
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Content-Security-Policy"] = "; ".join(f"{n} {value}" for n, value in policy.items())
    return headers


class Pages:
    """Turns a page into an answer, with the headers of pages."""

    def __init__(self, settings: Settings, clock: Clock, logo: Image | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._logo = logo
        self._cookies = Cookies(settings.url)
        self.assets = Assets(settings.brand_accent, logo)

    def choose_language(self, *, is_translated: bool = True) -> None:
        """Give the present request the language in which its pages are.

        The one that its query asks for, or that a page was asked for before.
        """
        if (scope := request_scope.get()) is None:
            return
        scope[_IS_TRANSLATED] = is_translated
        kept = self._cookies.value(Request(scope), LANGUAGE)
        wanted = (_asked_language(), kept) if is_translated else (SOURCE,)
        chosen = next((each for each in wanted if each in LANGUAGES), None)
        choose_language(self._settings.language, chosen)

    def answer(self, page: WebPage, status: int = 200) -> Response:
        form = getattr(page, "form", None)
        headers = page_headers(
            script=page.script,
            has_data_images=page.HAS_DATA_IMAGES,
            serves_request=isinstance(form, Form) and bool(form.request_id),
            leads_elsewhere=page.leads_elsewhere,
        )
        headers |= {"Content-Language": language(), "Vary": "Accept-Language"}
        response = HTMLResponse(self.html(page), status, headers=headers)
        if (asked := _asked_language()) is not None:
            self._cookies.set(response, LANGUAGE, asked, LANGUAGE_KEPT)
        return response

    def problem(self, page: ProblemPage, status: int = 400) -> Response:
        """An error page in translation, with the id that finds the request in the log."""
        heading, sentence, number = _(page.heading), _(page.sentence), request_id.get() or ""
        page = replace(page, heading=heading, sentence=sentence, request_id=number)
        if not page.way_back:
            first = f"{self._settings.base_path}/"
            page = replace(page, way_back=first, way_back_says=_("To the first page"))
        return self.answer(page, status)

    def html(self, page: WebPage) -> str:
        return self._environment.select_template(page.templates).render(page=page)

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - 1.0 MB

        base = self._settings.base_path
        environment = Environment(
            loader=PackageLoader("issuer.web"),
            autoescape=True,
            extensions=["jinja2.ext.i18n"],
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.policies["ext.i18n.trimmed"] = True
        # Texts with values are markup: tests/languages compares the markup of translations.
        environment.install_gettext_callables(_, ngettext, newstyle=True)  # type: ignore[attr-defined]
        environment.globals |= {
            "base": base,
            "lang": language,
            "languages": _languages,
            "issuer": self._settings.shown_name,
            "has_logo": self._logo is not None,
            "help_line": self._settings.brand_help or "",
            "issuer_url": self._settings.url,
            "commands": commands,
            "has_api_docs": self._settings.api_docs,
            "sends_mail": self._settings.smtp_url is not None,
            "metadata_path": f"/.well-known/oauth-authorization-server{base}",
            "asset": lambda name: base + self.assets.path(name),
            "mark": self._mark,
        }
        environment.filters |= {
            "ago": self._ago,
            "day_ago": lambda day: words.day_ago(day, self._clock()),
            "curl": partial(words.curl, self._settings.url),
            "utc": date_and_time,
            "iso": datetime.isoformat,
            "browser": browser_name,
            "methods": words.methods_in_words,
            "initial": words.initial,
            "in_fours": words.in_fours,
            "segment": words.segment,
        }
        return environment

    def _mark(self) -> "Markup":
        """What stands for the issuer: its logo, or a sign."""
        from markupsafe import Markup  # noqa: PLC0415 - with Jinja

        if self._logo is None or self.assets.logo is None:
            return Markup(_MARK)  # noqa: S704 - a constant
        return Markup('<img class="logo" src="{}" width="{}" height="{}" alt="{}">').format(
            self._settings.base_path + self.assets.path(self.assets.logo),
            self._logo.width,
            self._logo.height,
            self._settings.shown_name,
        )

    def _ago(self, instant: datetime) -> str:
        return words.ago(instant, self._clock())


def _asked_language() -> str | None:
    """The language that the query of the present request asks for, if there is that."""
    asked = _ASKED.search(_query())
    return asked[1] if asked and asked[1] in LANGUAGES else None


def _query() -> str:
    scope = request_scope.get() or {}
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")


def _languages(page: WebPage) -> list[tuple[str, str, str]]:
    """Tag and name of each language, and the query that asks for the page in it.

    None for pages that are in English alone, and for one about what is wrong with a long query,
    which is not repeated. Where a form was sent, the page is that of the form.
    """
    scope, form = request_scope.get() or {}, getattr(page, "form", None)
    query = _query()
    is_too_long = isinstance(page, ProblemPage) and len(query) > _MOST_REPEATED
    if is_too_long or not scope.get(_IS_TRANSLATED, True):
        return []
    if scope.get("method") == "POST" and isinstance(form, Form):
        query = form.query.removeprefix("?")
    query = _ASKED.sub("", query).removeprefix("&")
    return [(tag, NAMES[tag], f"?{query}{'&' * bool(query)}language={tag}") for tag in LANGUAGES]
