"""Every screen of the console, and a deployment in which each has much to show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import quote

from issuer.audit import EventFilter
from issuer.clients import SecretFields
from issuer.keys.described import all_described
from issuer.keys.schedule import KeyState
from issuer.sign_in import InvitationFields
from issuer.sign_in.consents_store import AllowedAccess
from issuer.web.console.audiences import (
    AudiencePage,
    AudiencesPage,
    EditAudiencePage,
    NewAudiencePage,
)
from issuer.web.console.audit import AuditEventPage, AuditPage
from issuer.web.console.clients.changes import EditClientPage
from issuer.web.console.clients.client import ClientPage
from issuer.web.console.clients.clients import ClientsPage, NewClientPage
from issuer.web.console.clients.credentials import CredentialsPage
from issuer.web.console.clients.trusts import TrustPage
from issuer.web.console.configuration import AppliedPage, ConfigurationPage
from issuer.web.console.explain.explain import ExplainPage
from issuer.web.console.explain.token import ExplainTokenPage
from issuer.web.console.keys import KeysPage
from issuer.web.console.overview import OverviewPage
from issuer.web.console.role_change import EditRolePage, ReviewRolePage
from issuer.web.console.roles import RolePage, RolesPage
from issuer.web.console.screens.views import ConfirmationPage, ConsolePage
from issuer.web.console.trusted_issuer_change import EditTrustedIssuerPage
from issuer.web.console.trusted_issuers import (
    NewTrustedIssuerPage,
    TrustedIssuerPage,
    TrustedIssuersPage,
)
from issuer.web.console.users.changes import EditUserPage
from issuer.web.console.users.sign_in_methods import InvitationLinkPage
from issuer.web.console.users.user import UserPage
from issuer.web.console.users.users import NewUserPage, UsersPage
from issuer.web.console.verifiers import VerifiersPage
from tests.builders import Deployment
from tests.oauth.asserting import AssertingClient
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

    `{kid}` in the path is the id of the active key, `{event}` that of an audit event; `{number}`
    in what is typed is another one each time.
    """

    shows: type[ConsolePage]
    route: str
    path: str = ""
    press: tuple[str, ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.path or self.route, *self.press]).replace(LONGEST, "LONGEST")

    def open(self, page: "Page", url: str, ids: Mapping[str, str]) -> None:
        page.goto(url + (self.path or self.route).format_map(ids))
        number = next(numbers)
        for name, value in self.typed.items():
            page.locator(f"[name={name}]").first.fill(value.format(number=number))
        for button in self.press:
            page.get_by_role("button", name=button, exact=True).click()


AUDIENCES, AUDIENCE = "/console/audiences", "/console/audiences/{key:path}"
CLIENTS, CLIENT = "/console/clients", "/console/clients/{key:path}"
ROLES, ROLE = "/console/roles", "/console/roles/{key:path}"
USERS, USER = "/console/users", "/console/users/{key:path}"
AUDIT, EXPLAIN, KEYS = "/console/audit", "/console/explain", "/console/keys"
CONFIGURATION = "/console/configuration"
TRUSTED_ISSUERS = "/console/trusted-issuers"
TRUSTED_ISSUER, TOKEN = f"{TRUSTED_ISSUERS}/{{key:path}}", f"{EXPLAIN}/token"
OF_LONGEST_AUDIENCE = f"{AUDIENCES}/{quote(LONGEST_AUDIENCE, safe='')}"
OF_LONGEST_ISSUER = f"{TRUSTED_ISSUERS}/{LONGEST}"
OF_LONGEST, ROLE_OF_LONGEST = f"{CLIENTS}/{LONGEST}", f"{ROLES}/{LONGEST}"
PERSON = f"{USERS}/person"
ASKED = f"{EXPLAIN}?subject={LONGEST}&method=POST"

SCREENS = [
    ScreenSeen(OverviewPage, "/console"),
    ScreenSeen(AudiencesPage, AUDIENCES),
    ScreenSeen(
        NewAudiencePage, AUDIENCES, f"{AUDIENCES}?new=yes", ("Create audience",), {"id": "a b"}
    ),
    ScreenSeen(AudiencePage, AUDIENCE, f"{AUDIENCES}/my-os"),
    ScreenSeen(AudiencePage, AUDIENCE, OF_LONGEST_AUDIENCE),
    ScreenSeen(AudiencePage, AUDIENCE, f"{OF_LONGEST_AUDIENCE}?subject=nobody"),
    ScreenSeen(EditAudiencePage, AUDIENCE, f"{OF_LONGEST_AUDIENCE}?edit=yes"),
    ScreenSeen(ConfirmationPage, AUDIENCE, OF_LONGEST_AUDIENCE, ("Delete audience",)),
    ScreenSeen(ClientsPage, CLIENTS),
    ScreenSeen(ClientsPage, CLIENTS, f"{CLIENTS}?search=nothing-begins-so"),
    *(ScreenSeen(NewClientPage, CLIENTS, f"{CLIENTS}?new={kind}") for kind in ("service", "web")),
    ScreenSeen(
        NewClientPage, CLIENTS, f"{CLIENTS}?new=public", ("Create client",), {"scopes": "a b"}
    ),
    ScreenSeen(
        CredentialsPage, CLIENTS, f"{CLIENTS}?new=service", ("Create client",), {"name": LONGEST}
    ),
    ScreenSeen(ClientPage, CLIENT, OF_LONGEST),
    ScreenSeen(ClientPage, CLIENT, f"{CLIENTS}/bare"),
    ScreenSeen(ClientPage, CLIENT, f"{CLIENTS}/bare", ("Assign role",), {"role": "no-such-role"}),
    ScreenSeen(EditClientPage, CLIENT, f"{OF_LONGEST}?edit=yes"),
    ScreenSeen(EditClientPage, CLIENT, f"{OF_LONGEST}?edit=yes", ("Save",), {"claims": "no JSON"}),
    ScreenSeen(ConfirmationPage, CLIENT, OF_LONGEST, ("Delete client",)),
    *(
        ScreenSeen(TrustPage, CLIENT, f"{OF_LONGEST}?kind={kind}")
        for kind in ("kubernetes", "gitlab", "spiffe", "entra")
    ),
    ScreenSeen(TrustPage, CLIENT, f"{OF_LONGEST}?kind=github", ("Continue",), GITHUB),
    ScreenSeen(TrustPage, CLIENT, f"{OF_LONGEST}?trust=0"),
    ScreenSeen(ConfirmationPage, CLIENT, f"{OF_LONGEST}?trust=0", ("Continue",)),
    ScreenSeen(TrustedIssuersPage, TRUSTED_ISSUERS),
    *(
        ScreenSeen(NewTrustedIssuerPage, TRUSTED_ISSUERS, f"{TRUSTED_ISSUERS}?new={kind}")
        for kind in ("kubernetes", "github")
    ),
    ScreenSeen(
        NewTrustedIssuerPage,
        TRUSTED_ISSUERS,
        f"{TRUSTED_ISSUERS}?new=spiffe",
        ("Create trusted issuer",),
        {"id": "a b", "issuer": "spiffe://a/b"},
    ),
    ScreenSeen(TrustedIssuerPage, TRUSTED_ISSUER, OF_LONGEST_ISSUER),
    ScreenSeen(TrustedIssuerPage, TRUSTED_ISSUER, f"{TRUSTED_ISSUERS}/unused"),
    ScreenSeen(EditTrustedIssuerPage, TRUSTED_ISSUER, f"{OF_LONGEST_ISSUER}?edit=yes"),
    ScreenSeen(ConfirmationPage, TRUSTED_ISSUER, OF_LONGEST_ISSUER, ("Delete trusted issuer",)),
    ScreenSeen(ExplainTokenPage, TOKEN, TOKEN, ("Explain",), {"client": "bare", "token": "x"}),
    ScreenSeen(
        ExplainTokenPage,
        TOKEN,
        TOKEN,
        ("Explain",),
        {"client": LONGEST, "token": OTHER.token(0, sub=LONGEST, aud=LONG_URI)},
    ),
    ScreenSeen(ConfirmationPage, CLIENT, OF_LONGEST, ("Finish: delete the old secret",)),
    ScreenSeen(UsersPage, USERS),
    ScreenSeen(UsersPage, USERS, f"{USERS}?search=nothing-begins-so"),
    ScreenSeen(NewUserPage, USERS, f"{USERS}?new=yes", ("Create user",), {"username": "person"}),
    ScreenSeen(
        InvitationLinkPage,
        USERS,
        f"{USERS}?new=yes",
        ("Create user",),
        {"username": "new-{number}"},
    ),
    ScreenSeen(UserPage, USER, PERSON),
    ScreenSeen(UserPage, USER, f"{PERSON}?through={LONGEST}&at=my-os"),
    ScreenSeen(UserPage, USER, f"{USERS}/bare-user"),
    ScreenSeen(UserPage, USER, f"{USERS}/bare-user", ("Assign role",), {"role": "no-such-role"}),
    ScreenSeen(EditUserPage, USER, f"{PERSON}?edit=yes"),
    ScreenSeen(EditUserPage, USER, f"{PERSON}?edit=yes", ("Save",), {"claims": "no JSON"}),
    ScreenSeen(ConfirmationPage, USER, PERSON, ("Delete user",)),
    ScreenSeen(RolesPage, ROLES),
    ScreenSeen(
        RolesPage, ROLES, ROLES, ("Create role",), {"name": "odd", "scopes": "agent:web:run"}
    ),
    ScreenSeen(RolePage, ROLE, ROLE_OF_LONGEST),
    ScreenSeen(EditRolePage, ROLE, f"{ROLE_OF_LONGEST}?edit=yes"),
    ScreenSeen(
        ReviewRolePage, ROLE, f"{ROLE_OF_LONGEST}?edit=yes&add=teams:run", ("See what changes",)
    ),
    ScreenSeen(ConfirmationPage, ROLE, ROLE_OF_LONGEST, ("Delete role",)),
    ScreenSeen(ExplainPage, EXPLAIN),
    ScreenSeen(ExplainPage, EXPLAIN, f"{ASKED}&path=/agents/web/runs"),
    ScreenSeen(ExplainPage, EXPLAIN, f"{ASKED}&path=/teams/support/runs"),
    ScreenSeen(ExplainPage, EXPLAIN, f"{ASKED}&path=/agents&audience=no-such-audience"),
    ScreenSeen(KeysPage, KEYS),
    ScreenSeen(ConfirmationPage, KEYS, f"{KEYS}?revoke={{kid}}"),
    ScreenSeen(ConfirmationPage, KEYS, f"{KEYS}?rotate=RS256"),
    ScreenSeen(VerifiersPage, f"{KEYS}/verifiers"),
    ScreenSeen(AuditPage, AUDIT),
    ScreenSeen(AuditPage, AUDIT, f"{AUDIT}?actor=nobody&since=never"),
    ScreenSeen(AuditEventPage, "/console/audit/{id}", "/console/audit/{event}"),
    ScreenSeen(ConfigurationPage, CONFIGURATION),
    ScreenSeen(ConfigurationPage, CONFIGURATION, "", ("Show the plan",), {"source": "roles: 1"}),
    ScreenSeen(ConfigurationPage, CONFIGURATION, "", ("Show the plan",), {"source": MANIFEST}),
    ScreenSeen(
        AppliedPage,
        CONFIGURATION,
        press=("Show the plan", "Apply this plan"),
        typed={"source": MANIFEST},
    ),
]
FILES = {"/console/audit/export", "/console/configuration/export"}


def populate(deployment: Deployment) -> dict[str, str]:
    """More than a page of everything, with the longest names; the ids that paths have."""
    scopes = [f"agents:{'agent-' * 12}{number}:run" for number in range(MORE_THAN_A_PAGE)]
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
    trusted(deployment, OTHER, id=LONGEST)
    trusted(deployment, OTHER, id="unused", keys={"jwks_uri": f"{LONG_ISSUER}/keys"})
    claims = {LONGEST[:60]: LONGEST}
    a_trust = {"issuer": LONGEST, "audience": LONG_URI, "claims": claims}
    with deployment.changing() as work:
        trusts = [{**a_trust, "subject": f"{number}-{LONGEST}"} for number in range(20)]
        jwks = AssertingClient.new(LONGEST, kid=LONGEST).jwks
        work.clients.update(LONGEST, {"jwks": jwks, "trusts": trusts})
        work.clients.add_secret(LONGEST, SecretFields(label="label-" * 10))
        work.rotations.start(LONGEST)
        work.invitations.create("person", InvitationFields())
        for audience in ("my-os", None):
            allowed = frozenset(scopes if audience else ())
            openid = frozenset({"openid"})
            work.consents.grant(
                AllowedAccess("person", LONGEST, audience, LONG_URI, allowed, openid)
            )
        (event,) = work.audit_log.page(EventFilter(target=LONGEST), None, 1)
    return {"kid": active_kid(deployment), "event": str(event.id)}


def active_kid(deployment: Deployment) -> str:
    services = deployment.services
    keys = all_described(services.administration.keyring.keys, services.clock())
    return next(key.kid for key in keys if key.state is KeyState.ACTIVE)
