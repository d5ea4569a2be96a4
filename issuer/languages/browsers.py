"""The browser of a session, in words."""

from issuer.fields.user_agents import browser_and_system
from issuer.languages.catalogues import Say, gettext


def browser_name(user_agent: str | None, _: Say = gettext) -> str:
    """ "Firefox on Linux", as far as the header says it."""
    browser, system = browser_and_system(user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or _("Unknown browser")
