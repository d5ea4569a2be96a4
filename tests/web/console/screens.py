"""Each screen of the console, what it needs, and an issuer on which each shows something."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.routing import Route

from issuer.roles import Assignment
from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES, covers
from tests.builders import Deployment
from tests.escalation import KEYS
from tests.html_forms import FormOnPage, FormsOnPage
from tests.trusting import CLUSTER, OtherIssuer, trust, trusted
from tests.verifiers.reporting import reported
from tests.web.browsing import Browser

_READ = ("audiences", "trusted-issuers", "roles", "clients", "users", "groups")
READS = tuple(f"issuer:{name}:read" for name in _READ)
REVIEWED = tuple(f"issuer:{name}:read" for name in ("audiences", "roles", "clients", "users"))
ALL_BUT_ADMIN = ISSUER_SCOPES - {ISSUER_ADMIN}


@dataclass(frozen=True)
class Screen:
    """`urls` show it and its forms. `read` are the scopes that it needs, `write` its forms.

    `parameters` are those of its query, `entry` is its name in the menu.
    """

    urls: tuple[str, ...]
    read: tuple[str, ...] = ()
    write: str = ""
    parameters: tuple[str, ...] = ()
    entry: str = ""

    def is_readable(self, scopes: frozenset[str]) -> bool:
        return all(covers(scopes, each) for each in self.read)


_LISTED = ("search", "after", "sort", "order", "only", "export", "suggest")
_CLIENT, _ROLE = "/console/clients/pipeline", "/console/roles/reader"
_AUDIENCE, _USER = "/console/audiences/other-os", "/console/users/wanda"
_GROUP = "/console/groups/analysts"
_TRUSTED_ISSUER = "/console/trusted-issuers/cluster"
_EXPLAINED = ("subject", "through", "behalf", "origin", "audience", "version", "by")
_FILTERS = ("outcome", "actor", "action", "target", "address", "since", "until")

# By the path of the route.
SCREENS: dict[str, Screen] = {
    "/console": Screen(("/console",), parameters=("tokens",), entry="Overview"),
    "/console/audiences": Screen(
        ("/console/audiences", "/console/audiences?new=yes"),
        ("issuer:audiences:read",),
        "issuer:audiences:write",
        (*_LISTED, "new"),
        "Audiences",
    ),
    "/console/audiences/{key:path}": Screen(
        (_AUDIENCE, f"{_AUDIENCE}?edit=yes"),
        ("issuer:audiences:read",),
        "issuer:audiences:write",
        ("edit", "subject", "kind", "resource", "after", "column"),
    ),
    "/console/clients": Screen(
        ("/console/clients", "/console/clients?new=service", "/console/clients?new=public"),
        ("issuer:clients:read",),
        "issuer:clients:write",
        (*_LISTED, "new"),
        "Clients",
    ),
    "/console/clients/{key:path}": Screen(
        (_CLIENT, f"{_CLIENT}?edit=yes", f"{_CLIENT}?kind=github", f"{_CLIENT}?trust=0"),
        ("issuer:clients:read",),
        "issuer:clients:write",
        ("at", "edit", "kind", "trust"),
    ),
    "/console/users": Screen(
        ("/console/users", "/console/users?new=yes"),
        ("issuer:users:read",),
        "issuer:users:write",
        (*_LISTED, "new"),
        "Users",
    ),
    "/console/users/{key:path}": Screen(
        (_USER, f"{_USER}?edit=yes"),
        ("issuer:users:read",),
        "issuer:users:write",
        ("at", "through", "edit"),
    ),
    "/console/groups": Screen(
        ("/console/groups", "/console/groups?new=yes"),
        ("issuer:groups:read",),
        "issuer:groups:write",
        (*_LISTED, "new"),
        "Groups",
    ),
    "/console/groups/{key:path}": Screen(
        (_GROUP, f"{_GROUP}?edit=yes"),
        ("issuer:groups:read",),
        "issuer:groups:write",
        ("edit", "after"),
    ),
    "/console/roles": Screen(
        ("/console/roles", "/console/roles?new=yes", "/console/roles?add=agents%3Aread"),
        ("issuer:roles:read",),
        "issuer:roles:write",
        (*_LISTED, "new", "add"),
        "Roles",
    ),
    "/console/roles/{key:path}": Screen(
        (_ROLE, f"{_ROLE}?edit=yes"),
        ("issuer:roles:read",),
        "issuer:roles:write",
        ("edit", "add", "after"),
    ),
    "/console/trusted-issuers": Screen(
        ("/console/trusted-issuers", "/console/trusted-issuers?new=spiffe"),
        ("issuer:trusted-issuers:read",),
        "issuer:trusted-issuers:write",
        (*_LISTED, "new"),
        "Trusted issuers",
    ),
    "/console/trusted-issuers/{key:path}": Screen(
        (_TRUSTED_ISSUER, f"{_TRUSTED_ISSUER}?edit=yes"),
        ("issuer:trusted-issuers:read",),
        "issuer:trusted-issuers:write",
        ("edit",),
    ),
    "/console/explain/token": Screen(
        ("/console/explain/token",), ("issuer:clients:read",), "", ("client",)
    ),
    "/console/explain": Screen(
        ("/console/explain",),
        parameters=(*_EXPLAINED, "method", "path", "component", "family", "id", "verb", "scope"),
        entry="Explain",
    ),
    "/console/review": Screen(
        ("/console/review",),
        REVIEWED,
        parameters=("propose", "at", "show", "holder", "sort", "order", "page"),
        entry="Review",
    ),
    "/console/review/access": Screen(("/console/review/access",), REVIEWED, parameters=("after",)),
    "/console/review/export": Screen(("/console/review/export",), REVIEWED),
    "/console/keys": Screen(
        ("/console/keys", "/console/keys?rotate=ES256"),
        ("issuer:keys:read",),
        "issuer:keys:write",
        ("rotate", "revoke"),
        "Keys",
    ),
    "/console/keys/verifiers": Screen(
        ("/console/keys/verifiers",), ("issuer:verifiers:read",), "", ("after",)
    ),
    "/console/audit": Screen(
        ("/console/audit",), ("issuer:audit:read",), "", (*_FILTERS, "before"), "Audit log"
    ),
    "/console/audit/export": Screen(
        ("/console/audit/export",), ("issuer:audit:read",), "", (*_FILTERS, "format")
    ),
    "/console/audit/{id}": Screen(("/console/audit/1",), ("issuer:audit:read",)),
    "/console/configuration": Screen(("/console/configuration",), READS, entry="Configuration"),
    "/console/configuration/export": Screen(("/console/configuration/export",), READS),
}
URLS = [url for screen in SCREENS.values() for url in screen.urls]


def furnished(deployment: Deployment) -> None:
    """What the screens are about, each with a text that only its own readers see."""
    deployment.role("reader", ["agents:read"])
    deployment.audience("other-os", name="Other AgentOS")
    trusted(deployment, OtherIssuer.new(alg="ES256"))
    deployment.client("pipeline", ["reader"], name="Nightly pipeline")
    deployment.user("wanda", ["reader"], id="wanda", name="Wanda Example", email="w@example.com")
    deployment.group(
        "Analysts", ["wanda"], ["reader"], id="analysts", description="They read reports"
    )
    with deployment.changing() as work:
        work.roles.update("reader", {"description": "For reports"})
        work.assignments.assign("wanda", Assignment(role="reader", audience="my-os"))
        may_act = [{"from": "other-os", "to": "my-os"}]
        credentials = {"jwks": KEYS, "trusts": [trust()]}
        work.clients.update("pipeline", {**credentials, "may_act": may_act})
    reported(deployment, ["old-key"], "192.0.2.77")


# By the scope that is needed to see them; those who may read the audit log see them in events.
TEXTS = {
    "issuer:clients:read": ("Nightly pipeline",),
    "issuer:roles:read": ("For reports",),
    "issuer:users:read": ("Wanda Example", "w@example.com"),
    "issuer:audiences:read": ("Other AgentOS",),
    "issuer:groups:read": ("They read reports",),
    "issuer:trusted-issuers:read": (CLUSTER,),
    "issuer:verifiers:read": ("192.0.2.77",),
}
# Who rotates is told which verifiers would refuse the tokens of the next key, as over REST.
TOLD = {"/console/keys?rotate=ES256": "issuer:verifiers:read"}


def routes(deployment: Deployment) -> set[str]:
    """The paths of the routes of the console."""
    paths = {each.path for each in deployment.http.app.rest.app().routes if isinstance(each, Route)}
    return {path for path in paths if f"{path}/".startswith("/console/")}


def forms(browser: Browser, url: str) -> Iterator[FormOnPage]:
    """The forms on a screen that change something."""
    page = browser.get(url)
    for each in FormsOnPage(page.response.text).forms:
        if each.action.startswith("/console") and "form" in each.fields:
            yield each


def sent_by(form: FormOnPage) -> Iterator[dict[str, str]]:
    """What each button of the form sends, confirmed, without the anti-forgery token."""
    fields = {name: value for name, value in form.fields.items() if name != "form"}
    for name, value in form.buttons or [("confirmed", "yes")]:
        key = form.action.rpartition("/")[2]
        yield {"confirmed": "yes", "typed": key, **fields, name: value}
