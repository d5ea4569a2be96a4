"""The screens of the console, in the order of its menu."""

from issuer.web.console.audiences import AudiencesScreen, OneAudienceScreen
from issuer.web.console.audit import AuditEventScreen, AuditExportScreen, AuditScreen
from issuer.web.console.clients.client import OneClientScreen
from issuer.web.console.clients.clients import ClientsScreen
from issuer.web.console.configuration import ConfigurationExportScreen, ConfigurationScreen
from issuer.web.console.explain.explain import ExplainScreen
from issuer.web.console.explain.token import ExplainTokenScreen
from issuer.web.console.groups import GroupsScreen, OneGroupScreen
from issuer.web.console.keys import KeysScreen, VerifiersScreen
from issuer.web.console.overview import OverviewScreen
from issuer.web.console.review import AccessReviewExportScreen, AccessReviewScreen, ReviewScreen
from issuer.web.console.roles import OneRoleScreen, RolesScreen
from issuer.web.console.screens.answers import KeptForms, Notices
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.screen import Console, ConsoleScreen
from issuer.web.console.trusted_issuers import OneTrustedIssuerScreen, TrustedIssuersScreen
from issuer.web.console.users.user import OneUserScreen
from issuer.web.console.users.users import UsersScreen
from issuer.web.site import Site

# Where one path matches several, the first counts.
SCREENS: tuple[type[ConsoleScreen], ...] = (
    OverviewScreen,
    AudiencesScreen,
    OneAudienceScreen,
    ClientsScreen,
    OneClientScreen,
    UsersScreen,
    OneUserScreen,
    GroupsScreen,
    OneGroupScreen,
    RolesScreen,
    OneRoleScreen,
    TrustedIssuersScreen,
    OneTrustedIssuerScreen,
    ExplainScreen,
    ExplainTokenScreen,
    ReviewScreen,
    AccessReviewScreen,
    AccessReviewExportScreen,
    KeysScreen,
    VerifiersScreen,
    AuditScreen,
    AuditExportScreen,
    AuditEventScreen,
    ConfigurationScreen,
    ConfigurationExportScreen,
)


def console_endpoints(site: Site) -> list[ConsoleEndpoint]:
    parts = site.parts
    console = Console(
        site,
        Notices(site.cookies, parts.notices),
        KeptForms(site.cookies, parts.kept_forms, parts.clock),
        [each for each in SCREENS if each.LABEL],
    )
    return [ConsoleEndpoint(console, each) for each in SCREENS]
