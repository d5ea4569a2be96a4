"""Every screen of the console, and a deployment in which each has much to show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, product
from typing import TYPE_CHECKING
from urllib.parse import quote

from issuer.audit import EventFilter
from issuer.clients.client import SecretFields
from issuer.directory import ActingClient
from issuer.keys.described import all_described
from issuer.keys.schedule import KeyState
from issuer.review.evidence import UNUSED_FOR
from issuer.sign_in import InvitationFields
from issuer.sign_in.consents_store import AllowedAccess
from issuer.usage.store import OTHERS, UsageKey, UsageStore
from issuer.usage.usage import day_of
from tests.builders import Deployment
from tests.inspection.inspected import inspected
from tests.oauth.asserting import AssertingClient
from tests.oauth.exchanging import store_exchange
from tests.trusting import OtherIssuer, trusted
from tests.verifiers.reporting import reported

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONGEST = "longest-" * 16
LONGEST_AUDIENCE = f"https://{LONGEST}.example"
LONG_URI = f"https://app.example/{'callback-' * 20}"
MORE_THAN_A_PAGE = 60
LONG_ISSUER = f"https://{'longest.' * 28}example"
OTHER = OtherIssuer.new(LONG_ISSUER, "ES256")
MANIFEST = "clients:\n- client_id: applied-{number}\n  audiences: [my-os]\n"
GITHUB = {"github": "o/r", "owner_id": "o", "repository_id": "1"}

numbers = count(1)


@dataclass(frozen=True)
class ScreenSeen:
    """A page at `path` of a route, after `typed` was filled in by name and `press` was pressed.

    `shows` is the template that shows it.

    `{kid}` in the path is the id of the active key, `{event}` that of an audit event; `{number}`
    in what is typed is another one each time.
    """

    shows: str
    route: str
    path: str = ""
    press: tuple[str, ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.path or self.route, *self.press]).replace(LONGEST, "LONGEST")

    def open(self, page: "Page", url: str, ids: Mapping[str, str]) -> None:
        page.goto(url + (self.path or self.route).format_map(ids))
        number = next(numbers)
        for each in page.locator("summary").all() if self.typed else ():
            each.evaluate("each => each.parentElement.open = true")
        for name, value in self.typed.items():
            found = page.locator(f"[name={name}]").first
            if found.evaluate("each => each.tagName") == "SELECT":
                found.select_option(value)
            else:
                found.fill(value.format(number=number))
        for button in self.press:
            page.get_by_role("button", name=button, exact=True).click()


AUDIENCES, AUDIENCE = "/console/audiences", "/console/audiences/{key:path}"
CLIENTS, CLIENT = "/console/clients", "/console/clients/{key:path}"
ROLES, ROLE = "/console/roles", "/console/roles/{key:path}"
USERS, USER = "/console/users", "/console/users/{key:path}"
GROUPS, GROUP = "/console/groups", "/console/groups/{key:path}"
AUDIT, EXPLAIN, KEYS = "/console/audit", "/console/explain", "/console/keys"
CONFIGURATION, REVIEW = "/console/configuration", "/console/review"
TRUSTED_ISSUERS = "/console/trusted-issuers"
TRUSTED_ISSUER, TOKEN = f"{TRUSTED_ISSUERS}/{{key:path}}", f"{EXPLAIN}/token"
OF_LONGEST_AUDIENCE = f"{AUDIENCES}/{quote(LONGEST_AUDIENCE, safe='')}"
OF_LONGEST_ISSUER = f"{TRUSTED_ISSUERS}/{LONGEST}"
OF_LONGEST, ROLE_OF_LONGEST = f"{CLIENTS}/{LONGEST}", f"{ROLES}/{LONGEST}"
PERSON = f"{USERS}/person"
OF_LONGEST_GROUP = f"{GROUPS}/longest-group"
ASKED = f"{EXPLAIN}?subject={LONGEST}&method=POST"
ON_BEHALF = f"{ASKED}&path=/agents/web/runs&behalf=person&through={LONGEST}&audience=my-os"

SCREENS = [
    ScreenSeen("overview", "/console"),
    ScreenSeen("audiences", AUDIENCES),
    ScreenSeen(
        "new_audience", AUDIENCES, f"{AUDIENCES}?new=yes", ("Create audience",), {"id": "a b"}
    ),
    ScreenSeen("audience", AUDIENCE, f"{AUDIENCES}/my-os"),
    ScreenSeen("audience", AUDIENCE, OF_LONGEST_AUDIENCE),
    ScreenSeen("audience", AUDIENCE, f"{OF_LONGEST_AUDIENCE}?subject=nobody"),
    ScreenSeen("edit_audience", AUDIENCE, f"{OF_LONGEST_AUDIENCE}?edit=yes"),
    ScreenSeen("confirm", AUDIENCE, OF_LONGEST_AUDIENCE, ("Delete audience",)),
    ScreenSeen("clients", CLIENTS),
    ScreenSeen("clients", CLIENTS, f"{CLIENTS}?search=nothing-begins-so"),
    *(ScreenSeen("new_client", CLIENTS, f"{CLIENTS}?new={kind}") for kind in ("service", "web")),
    ScreenSeen(
        "new_client", CLIENTS, f"{CLIENTS}?new=public", ("Create client",), {"scopes": "a b"}
    ),
    ScreenSeen(
        "credentials", CLIENTS, f"{CLIENTS}?new=service", ("Create client",), {"name": LONGEST}
    ),
    ScreenSeen("client", CLIENT, OF_LONGEST),
    ScreenSeen("client", CLIENT, f"{CLIENTS}/bare"),
    ScreenSeen("client", CLIENT, f"{CLIENTS}/bare", ("Assign role",), {"role": LONGEST}),
    ScreenSeen("edit_client", CLIENT, f"{OF_LONGEST}?edit=yes"),
    ScreenSeen("edit_client", CLIENT, f"{OF_LONGEST}?edit=yes", ("Save",), {"claims": "no JSON"}),
    ScreenSeen("confirm", CLIENT, OF_LONGEST, ("Delete client",)),
    *(
        ScreenSeen("trust", CLIENT, f"{OF_LONGEST}?kind={kind}")
        for kind in ("kubernetes", "gitlab", "spiffe", "entra")
    ),
    ScreenSeen("trust", CLIENT, f"{OF_LONGEST}?kind=github", ("Continue",), GITHUB),
    ScreenSeen("trust", CLIENT, f"{OF_LONGEST}?trust=0"),
    ScreenSeen("confirm", CLIENT, f"{OF_LONGEST}?trust=0", ("Continue",)),
    ScreenSeen("trusted_issuers", TRUSTED_ISSUERS),
    *(
        ScreenSeen("new_trusted_issuer", TRUSTED_ISSUERS, f"{TRUSTED_ISSUERS}?new={kind}")
        for kind in ("kubernetes", "github")
    ),
    ScreenSeen(
        "new_trusted_issuer",
        TRUSTED_ISSUERS,
        f"{TRUSTED_ISSUERS}?new=spiffe",
        ("Create trusted issuer",),
        {"id": "a b", "issuer": "spiffe://a/b"},
    ),
    ScreenSeen("trusted_issuer", TRUSTED_ISSUER, OF_LONGEST_ISSUER),
    ScreenSeen("trusted_issuer", TRUSTED_ISSUER, f"{TRUSTED_ISSUERS}/unused"),
    ScreenSeen("edit_trusted_issuer", TRUSTED_ISSUER, f"{OF_LONGEST_ISSUER}?edit=yes"),
    ScreenSeen("confirm", TRUSTED_ISSUER, OF_LONGEST_ISSUER, ("Delete trusted issuer",)),
    ScreenSeen("explain_token", TOKEN, TOKEN, ("Explain",), {"client": "bare", "token": "x"}),
    ScreenSeen(
        "explain_token",
        TOKEN,
        TOKEN,
        ("Explain",),
        {"client": LONGEST, "token": OTHER.token(0, sub=LONGEST, aud=LONG_URI)},
    ),
    ScreenSeen("confirm", CLIENT, OF_LONGEST, ("Finish: delete the old secret",)),
    ScreenSeen("users", USERS),
    ScreenSeen("users", USERS, f"{USERS}?search=nothing-begins-so"),
    ScreenSeen("new_user", USERS, f"{USERS}?new=yes", ("Create user",), {"username": "person"}),
    ScreenSeen(
        "invitation_link",
        USERS,
        f"{USERS}?new=yes",
        ("Create user",),
        {"username": "new-{number}"},
    ),
    ScreenSeen("user", USER, PERSON),
    ScreenSeen("user", USER, f"{PERSON}?through={LONGEST}&at=my-os"),
    ScreenSeen("user", USER, f"{USERS}/bare-user"),
    ScreenSeen("user", USER, f"{USERS}/bare-user", ("Assign role",), {"role": LONGEST}),
    ScreenSeen("edit_user", USER, f"{PERSON}?edit=yes"),
    ScreenSeen("edit_user", USER, f"{PERSON}?edit=yes", ("Save",), {"claims": "no JSON"}),
    ScreenSeen("confirm", USER, PERSON, ("Delete user",)),
    ScreenSeen("groups", GROUPS),
    ScreenSeen("groups", GROUPS, f"{GROUPS}?search=nothing-begins-so"),
    ScreenSeen("new_group", GROUPS, f"{GROUPS}?new=yes", ("Create group",), {"name": LONGEST}),
    ScreenSeen("group", GROUP, OF_LONGEST_GROUP),
    ScreenSeen("group", GROUP, f"{GROUPS}/bare-group"),
    ScreenSeen("group", GROUP, f"{GROUPS}/bare-group", ("Add members",), {"users": "nobody"}),
    ScreenSeen("form", GROUP, f"{OF_LONGEST_GROUP}?edit=yes"),
    ScreenSeen("confirm", GROUP, OF_LONGEST_GROUP, ("Delete group",)),
    ScreenSeen("confirm", GROUP, f"{GROUPS}/bare-group", ("Add members",), {"users": "person"}),
    ScreenSeen("roles", ROLES),
    ScreenSeen("new_role", ROLES, f"{ROLES}?new=yes"),
    ScreenSeen(
        "new_role",
        ROLES,
        f"{ROLES}?new=yes",
        ("Create role",),
        {"name": "odd", "scopes": "agent:web:run"},
    ),
    ScreenSeen("role", ROLE, ROLE_OF_LONGEST),
    ScreenSeen("edit_role", ROLE, f"{ROLE_OF_LONGEST}?edit=yes"),
    ScreenSeen(
        "review_role", ROLE, f"{ROLE_OF_LONGEST}?edit=yes&add=teams:run", ("See what changes",)
    ),
    ScreenSeen("confirm", ROLE, ROLE_OF_LONGEST, ("Delete role",)),
    ScreenSeen("explain", EXPLAIN),
    ScreenSeen("explain", EXPLAIN, f"{ASKED}&path=/agents/web/runs"),
    ScreenSeen("explain", EXPLAIN, f"{ASKED}&path=/teams/support/runs"),
    ScreenSeen("explain", EXPLAIN, f"{ASKED}&path=/agents&audience=no-such-audience"),
    ScreenSeen("explain", EXPLAIN, f"{ON_BEHALF}&origin=my-os"),
    ScreenSeen("explain", EXPLAIN, ON_BEHALF),
    ScreenSeen("keys", KEYS),
    ScreenSeen("confirm", KEYS, f"{KEYS}?revoke={{kid}}"),
    ScreenSeen("confirm", KEYS, f"{KEYS}?rotate=RS256"),
    ScreenSeen("verifiers", f"{KEYS}/verifiers"),
    ScreenSeen("review", REVIEW),
    ScreenSeen("proposal", REVIEW, f"{REVIEW}?propose={LONGEST}"),
    ScreenSeen("access_review", f"{REVIEW}/access"),
    ScreenSeen("audit", AUDIT),
    ScreenSeen("audit", AUDIT, f"{AUDIT}?actor=nobody&since=never"),
    ScreenSeen("audit_event", "/console/audit/{id}", "/console/audit/{event}"),
    ScreenSeen("configuration", CONFIGURATION),
    ScreenSeen("configuration", CONFIGURATION, "", ("Show the plan",), {"source": "roles: 1"}),
    ScreenSeen("configuration", CONFIGURATION, "", ("Show the plan",), {"source": MANIFEST}),
    ScreenSeen(
        "configuration_applied",
        CONFIGURATION,
        press=("Show the plan", "Apply this plan"),
        typed={"source": MANIFEST},
    ),
]
FILES = {
    "/console/audit/export",
    "/console/configuration/export",
    "/console/review/export",
}


def populate(deployment: Deployment) -> dict[str, str]:
    """More than a page of everything, with the longest names; the ids that paths have."""
    scopes = [f"agents:{'agent-' * 12}{number}:run" for number in range(MORE_THAN_A_PAGE)]
    inspected(
        deployment,
        agents={f"{'agent-' * 12}{number}": LONGEST for number in range(MORE_THAN_A_PAGE)},
        teams={"short": "x"},
    )
    deployment.role(LONGEST, [*scopes, "agents:web:run", "no-such:scope"])
    deployment.audience(LONGEST_AUDIENCE, name=LONGEST)
    for number in range(MORE_THAN_A_PAGE):
        name = f"{number:03}-{LONGEST}"[:128]
        deployment.role(name, scopes[:number])
        deployment.client(name, [LONGEST], name=LONGEST, scopes=scopes[:2])
        deployment.user(f"user-{name}"[:128], name=LONGEST, password=None)
    deployment.user(
        "person-" * 18,
        [LONGEST],
        id="person",
        name=LONGEST,
        email=f"{'mail-' * 12}@{'example.' * 22}com",
        password=None,
        claims={"tenant": LONGEST},
    )
    deployment.user("person", id="bare-user", password=None)
    some_users = [
        deployment.user(f"member-{number:03}-{LONGEST}"[:128], password=None)
        for number in range(MORE_THAN_A_PAGE)
    ]
    for number in range(MORE_THAN_A_PAGE):
        deployment.group(f"{number:03}-{LONGEST}", ["person"], description=LONGEST)
    deployment.group(
        LONGEST, [*some_users, "person"], [LONGEST], id="longest-group", external_id=LONGEST
    )
    deployment.group("Bare", id="bare-group")
    deployment.client("bare", audiences=[])
    deployment.client(
        LONGEST,
        [LONGEST],
        audiences=["my-os", LONGEST_AUDIENCE],
        grant_types=["client_credentials", "authorization_code", "refresh_token"],
        redirect_uris=[LONG_URI],
        claims={"tenant": LONGEST},
    )
    for number in range(MORE_THAN_A_PAGE):
        address = f"2001:db8:{number:04x}:1234:5678:9abc:def0:1234"
        kids = [f"{LONGEST[:60]}-{kid}" for kid in range(10)]
        reported(deployment, kids, address, aud=LONGEST_AUDIENCE, agno=LONGEST[:32])
    with deployment.services.database.transaction() as session:
        for days in range(UNUSED_FOR.days + 1):
            day = day_of(deployment.services.administration.clock()) - timedelta(days=days)
            used = {OTHERS: [0, 0], UsageKey(LONGEST, LONGEST, scopes[0]): [1, 1]}
            for audience in ("my-os", LONGEST_AUDIENCE):
                UsageStore(session).add(audience, day, used)
    trusted(deployment, OTHER, id=LONGEST)
    trusted(deployment, OTHER, id="unused", keys={"jwks_uri": f"{LONG_ISSUER}/keys"})
    claims = {LONGEST[:60]: LONGEST}
    a_trust = {"issuer": LONGEST, "audience": LONG_URI, "claims": claims}
    with deployment.changing() as work:
        trusts = [{**a_trust, "subject": f"{number}-{LONGEST}"} for number in range(20)]
        jwks = AssertingClient.new(LONGEST, kid=LONGEST).jwks
        ends = ["my-os", LONGEST_AUDIENCE]
        rules = [{"from": first, "to": second} for first, second in product(ends, ends)]
        server = {"issuer": LONG_ISSUER, "client_id": LONGEST, "scopes": scopes[:10]}
        external = [{**server, "resource": f"{LONG_ISSUER}/{number}"} for number in range(20)]
        acting = {"may_act": rules, "external_audiences": external}
        work.clients.update(LONGEST, {"jwks": jwks, "trusts": trusts, **acting})
        work.clients.add_secret(LONGEST, SecretFields(label="label-" * 10))
        work.rotations.start(LONGEST)
        work.invitations.create("person", InvitationFields())
        for audience in ("my-os", None):
            allowed = frozenset(scopes if audience else ())
            openid = frozenset({"openid"})
            acting = {ActingClient(LONGEST, LONGEST_AUDIENCE)} if audience else set()
            access = AllowedAccess(
                "person", LONGEST, audience, LONG_URI, allowed, openid, frozenset(acting)
            )
            work.consents.grant(access)
        (event,) = work.audit_log.page(EventFilter(target=LONGEST), None, 1)
    for number in range(MORE_THAN_A_PAGE):
        acting = (f"{number:03}-{LONGEST}"[:128], LONGEST_AUDIENCE)
        store_exchange(deployment, "person", acting, (LONGEST, "my-os"))
    return {"kid": active_kid(deployment), "event": str(event.id)}


def active_kid(deployment: Deployment) -> str:
    services = deployment.services
    keys = all_described(services.administration.keyring.keys, services.clock())
    return next(key.kid for key in keys if key.state is KeyState.ACTIVE)
