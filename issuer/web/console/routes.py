"""The screens of the console, in the order of its menu."""

from issuer.web.console import (
    audiences,
    audit,
    configuration,
    groups,
    keys,
    overview,
    review,
    roles,
    trusted_issuers,
)
from issuer.web.console.clients import client, clients
from issuer.web.console.explain import explain
from issuer.web.console.screens.answers import Notices
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.screen import Console, ConsoleScreen
from issuer.web.console.users import user, users
from issuer.web.site import Site

# Where one path matches several, the first counts.
SCREENS: tuple[type[ConsoleScreen], ...] = (
    overview.OverviewScreen,
    *(audiences.AudiencesScreen, audiences.OneAudienceScreen),
    *(clients.ClientsScreen, client.OneClientScreen),
    *(users.UsersScreen, user.OneUserScreen),
    *(groups.GroupsScreen, groups.OneGroupScreen),
    *(roles.RolesScreen, roles.OneRoleScreen),
    *(trusted_issuers.TrustedIssuersScreen, trusted_issuers.OneTrustedIssuerScreen),
    *(explain.ExplainScreen, explain.ExplainTokenScreen),
    *(review.ReviewScreen, review.AccessReviewScreen, review.AccessReviewExportScreen),
    *(keys.KeysScreen, keys.VerifiersScreen),
    *(audit.AuditScreen, audit.AuditExportScreen, audit.AuditEventScreen),
    *(configuration.ConfigurationScreen, configuration.ConfigurationExportScreen),
)


def console_endpoints(site: Site) -> list[ConsoleEndpoint]:
    parts = site.parts
    console = Console(
        site,
        Notices(site.cookies, parts.notices),
        site.kept_forms,
        [each for each in SCREENS if each.LABEL],
    )
    return [ConsoleEndpoint(console, each) for each in SCREENS]
