"""Rights at the issuer itself come from admins only, also by forms that nobody was shown."""

from contextlib import suppress
from urllib.parse import quote, unquote

import httpx
import pytest

from issuer.audit import Actor
from issuer.composition import UnitOfWork
from issuer.errors import IssuerError
from issuer.provisioning.planning import PlanRequest, make_plan
from issuer.resources import Collection
from issuer.scopes import ISSUER_ADMIN
from tests.builders import URL, Deployment
from tests.escalation import (
    CLIENTS,
    GAINS,
    GROUPS,
    LAST_ADMIN,
    ROLES,
    TRUSTED_ISSUERS,
    USERS,
    WRITE,
    Way,
    privileged_resources,
)
from tests.html_forms import FormsOnPage
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, person, stored
from tests.web.console.screens import ALL_BUT_ADMIN, routes

# What takes several requests of the admin API is one form of the console.
ONLY_HERE: dict[str, Way] = {
    "a role of a new client": Way(
        "POST", "/clients", None,
        CLIENTS, {"client_id": "new", "audiences": "my-os", "roles": "key-readers"},
    ),
    "a role of a new user": Way(
        "POST", "/users", None,
        USERS,
        {"username": "new", "id": "new", "audience": "my-os", "roles": "key-readers"},
    ),
    "a role of a new user who is invited": Way(
        "POST", "/users", None,
        USERS,
        {
            **{"username": "new", "id": "new", "audience": URL, "roles": "key-readers"},
            "invite": "yes",
        },
    ),
}  # fmt: skip
# People choose their passwords themselves: in the console an invitation leads to one.
NO_FORM = {"a user's password"}
FORMS = {name: way for name, way in {**ONLY_HERE, **GAINS}.items() if way.screen}
MANIFESTS = {
    "a role": "roles:\n- name: new\n  scopes: [issuer:admin]\n",
    "a role that is assigned": "roles:\n- name: plain\n  scopes: [issuer:keys:read]\n",
    "a privileged role": "roles:\n- name: key-readers\n  scopes: []\n",
    "a client": "clients:\n- client_id: new\n  scopes: [issuer:keys:read]\n",
    "a client at the issuer": f"clients:\n- client_id: new\n  audiences: ['{URL}']\n",
    "the issuer as audience": f"clients:\n- client_id: plain\n  audiences: [my-os, '{URL}']\n",
    "a privileged client": (
        "clients:\n- client_id: privileged\n  name: x\n  scopes: [issuer:keys:read]\n"
        f"  audiences: [shared, '{URL}']\n"
    ),
    "an assignment": (
        "users:\n- id: bob\n  username: bob\n  roles: [{role: key-readers, audience: my-os}]\n"
    ),
    "unassigning": "users:\n- id: alice\n  username: alice\n  roles: []\n",
    "a user's name": ("users:\n- id: alice\n  username: mallory\n  roles: [{role: key-readers}]\n"),
    "a user's state": (
        "users:\n- id: alice\n  username: alice\n  disabled: true\n  roles: [{role: key-readers}]\n"
    ),
    "a role of a group": (
        "groups:\n- id: plain-group\n  name: plain-group\n  roles: [{role: key-readers}]\n"
    ),
    "a member of a group": (
        "groups:\n- id: readers\n  name: readers\n  members: [bob, gail]\n"
        "  roles: [{role: key-readers}]\n"
    ),
    "no member of a group": (
        "groups:\n- id: readers\n  name: readers\n  members: []\n  roles: [{role: key-readers}]\n"
    ),
    "no role of a group": "groups:\n- id: readers\n  name: readers\n",
    "private addresses": (
        "trusted_issuers:\n- id: inside\n  issuer: https://inside.example\n"
        "  keys: {discovery: true}\n  allow_private_addresses: true\n"
    ),
    "the issuer's own audience": f"audiences:\n- id: '{URL}'\n  access_token_ttl: 24h\n",
}
PROTECTED = [
    *(f"{CLIENTS}/{each}" for each in ("privileged", "by-role", "mere-audience", "admins-app")),
    f"{USERS}/alice",
    f"{USERS}/gail",
    f"{GROUPS}/readers",
    f"{ROLES}/key-readers",
    f"{TRUSTED_ISSUERS}/cluster",
    f"/console/audiences/{quote(URL, safe='')}",
]


@pytest.fixture(scope="module")
def issuer(shared: Deployment) -> Deployment:
    privileged_resources(shared)
    return shared


@pytest.fixture(scope="module")
def everything_but_admin(issuer: Deployment) -> Browser:
    return person(issuer, "deputy", ALL_BUT_ADMIN)


def test_each_way_is_tried_where_the_console_has_a_screen_for_it(issuer: Deployment):
    screens = routes(issuer)
    without = [way for name, way in GAINS.items() if not way.screen and name not in NO_FORM]
    without_form = {way.path.split("/")[1] for way in without}
    assert not {name for name in without_form if f"/console/{name}" in screens}


OPEN_NO_PAGE = {"issuer:clients:register", "issuer:scim", "issuer:usage:report"}
WIDEST = "issuer:clients:write"
NO_CONSOLE = "The console is for administrators"


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(scope, marks=[] if scope in OPEN_NO_PAGE | {WIDEST} else pytest.mark.slow)
        for scope in sorted(ALL_BUT_ADMIN)
    ],
)
def test_no_single_scope_leads_to_another_right_at_the_issuer(issuer: Deployment, scope: str):
    browser = person(issuer, f"only-{scope.replace(':', '-')}", [scope])
    before = stored(issuer)
    for name, way in FORMS.items():
        refused = forged(issuer, browser, way.screen, **way.form)
        assert refused.status == httpx.codes.FORBIDDEN, name
        assert (NO_CONSOLE if scope in OPEN_NO_PAGE else "Nothing was changed.") in refused.text
    assert stored(issuer) == before


@pytest.mark.parametrize("way", FORMS)
def test_all_scopes_together_do_not_replace_that_of_an_admin(
    issuer: Deployment, everything_but_admin: Browser, way: str
):
    """With or without the confirmation; and no button offers it."""
    screen, form = FORMS[way].screen, FORMS[way].form
    before = stored(issuer)
    refused = forged(issuer, everything_but_admin, screen, **form)
    assert refused.status == httpx.codes.FORBIDDEN
    assert "This needs the scope issuer:admin." in refused.text
    unconfirmed = {name: value for name, value in form.items() if name != "confirmed"}
    asked = forged(issuer, everything_but_admin, screen, **unconfirmed)
    assert asked.status in {httpx.codes.OK, httpx.codes.FORBIDDEN}
    assert stored(issuer) == before
    if not is_general(form):
        assert form["do"] not in buttons(everything_but_admin.get(screen))


@pytest.mark.parametrize("screen", PROTECTED)
def test_the_form_of_what_only_an_admin_may_change_is_not_offered(
    everything_but_admin: Browser, screen: str
):
    page = everything_but_admin.get(screen)
    assert "only holders of issuer:admin may change" in page.text
    assert "?edit=yes" not in page.response.text
    assert everything_but_admin.get(screen, edit="yes").status == httpx.codes.FORBIDDEN


def test_an_admin_may_do_each_of_them(deployment: Deployment, signed_in: SignedIn):
    """So that what is refused above is refused for lack of that scope alone."""
    privileged_resources(deployment)
    browser = signed_in(ISSUER_ADMIN)
    for name, way in FORMS.items():
        before = stored(deployment)
        done = forged(deployment, browser, way.screen, **as_it_is_now(deployment, way))
        assert done.status in {httpx.codes.OK, httpx.codes.SEE_OTHER}, name
        assert stored(deployment) != before, name
        if way.screen in {CLIENTS, ROLES, USERS}:
            with deployment.changing() as work:
                collection_of(work, way.screen).delete("new")


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_gives_no_more_than_the_forms(
    issuer: Deployment, everything_but_admin: Browser, manifest: str
):
    before = stored(issuer)
    refused = apply(issuer, everything_but_admin, MANIFESTS[manifest])
    assert refused.status == httpx.codes.FORBIDDEN
    assert stored(issuer) == before


@pytest.mark.parametrize("prune", ["roles: []\n", "users: []\n", "clients: []\n", "groups: []\n"])
def test_pruning_removes_nothing_that_only_an_admin_may(
    issuer: Deployment, everything_but_admin: Browser, prune: str
):
    before = stored(issuer)
    refused = apply(issuer, everything_but_admin, prune, prune="yes")
    assert refused.status in {httpx.codes.FORBIDDEN, httpx.codes.CONFLICT}
    assert stored(issuer) == before


@pytest.mark.parametrize("missing", WRITE[:5])
def test_a_manifest_needs_the_scope_of_each_section_that_it_changes(
    issuer: Deployment, missing: str
):
    sections = {
        "issuer:audiences:write": "audiences:\n- id: new-os\n",
        "issuer:roles:write": "roles:\n- name: new\n  scopes: [agents:run]\n",
        "issuer:clients:write": "clients:\n- client_id: new\n",
        "issuer:users:write": "users:\n- username: newcomer\n",
        "issuer:groups:write": "groups:\n- name: newcomers\n",
    }
    name = f"without-{missing.replace(':', '-')}"
    browser = person(issuer, name, ALL_BUT_ADMIN - {missing})
    before = stored(issuer)
    for source in (sections[missing], "".join(sections.values())):
        assert apply(issuer, browser, source).status == httpx.codes.FORBIDDEN
    assert stored(issuer) == before


@pytest.mark.parametrize("way", LAST_ADMIN)
def test_the_last_admin_cannot_be_removed(issuer: Deployment, boss: Browser, way: str):
    """Not even by an admin who is signed in: without a client, that user gets no token."""
    before = stored(issuer)
    refused = forged(issuer, boss, LAST_ADMIN[way].screen, **LAST_ADMIN[way].form)
    assert refused.status == httpx.codes.CONFLICT
    assert "The last holder of issuer:admin cannot be removed" in refused.text
    assert stored(issuer) == before


def test_the_last_admin_by_role_cannot_lose_it(deployment: Deployment, signed_in: SignedIn):
    deployment.role("admins", [ISSUER_ADMIN])
    deployment.client("second", roles=["admins"], audiences=[URL])
    browser = signed_in(ISSUER_ADMIN)
    last = LAST_ADMIN["delete"]
    deleted = forged(deployment, browser, last.screen, **last.form)
    assert deleted.status == httpx.codes.SEE_OTHER
    with deployment.services.administration.reading() as work:
        (secret,) = work.clients.secrets("second")
    role, client = f"{ROLES}/admins", f"{CLIENTS}/second"
    before = stored(deployment)
    for path, form in (
        (role, {"do": "delete", "cascade": "yes", "typed": "admins"}),
        (role, {"do": "apply", "version": "1"}),
        (client, {"do": "unassign-role", "role": "admins", "everywhere": "yes"}),
        (client, {"do": "delete", "typed": "second"}),
        (client, {"do": "disable"}),
        (client, {"do": "delete-secret", "secret_id": secret.id}),
    ):
        refused = forged(deployment, browser, path, **form, confirmed="yes")
        assert refused.status == httpx.codes.CONFLICT, form
    assert stored(deployment) == before


def apply(issuer: Deployment, browser: Browser, source: str, **more: str) -> PageSeen:
    """Apply a manifest with the ETag of its plan, which the person may not have seen."""
    request = PlanRequest(
        Actor(), frozenset([ISSUER_ADMIN]), source.encode(), prune=bool(more), to_apply=True
    )
    etag = ""
    with suppress(IssuerError):
        etag = make_plan(issuer.services.administration, request).etag
    form = {"do": "apply", "source": source, "etag": etag, **more}
    return forged(issuer, browser, "/console/configuration", **form)


def as_it_is_now(deployment: Deployment, way: Way) -> dict[str, str]:
    """The form, shown for the newest version."""
    if "version" not in way.form:
        return way.form
    folder, _, key = way.screen.rpartition("/")
    with deployment.services.administration.reading() as work:
        found = collection_of(work, folder).get(unquote(key))
    return {**way.form, "version": str(found.version)}


def collection_of(work: UnitOfWork, screen: str) -> Collection:
    return getattr(work, screen.rpartition("/")[2].replace("-", "_"))


def buttons(page: PageSeen) -> set[str]:
    """What the forms of a page do."""
    forms = FormsOnPage(page.response.text).forms
    return {value for each in forms for name, value in each.buttons if name == "do"}


def is_general(form: dict[str, str]) -> bool:
    """Whether the form is also for changes that concern no right at the issuer."""
    return form.get("do") in {None, "force", "assign-role", "unassign-role", "apply", "save"}
