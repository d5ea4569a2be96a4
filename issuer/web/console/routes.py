"""The screens of the console, in the order of its menu."""

from issuer.web.console.audiences import AudiencesEndpoint, OneAudienceEndpoint
from issuer.web.console.audit import AuditEndpoint, AuditEventEndpoint, AuditExportEndpoint
from issuer.web.console.clients.client import OneClientEndpoint
from issuer.web.console.clients.clients import ClientsEndpoint
from issuer.web.console.configuration import ConfigurationEndpoint, ConfigurationExportEndpoint
from issuer.web.console.explain.explain import ExplainEndpoint
from issuer.web.console.explain.token import ExplainTokenEndpoint
from issuer.web.console.keys import KeysEndpoint
from issuer.web.console.overview import OverviewEndpoint
from issuer.web.console.roles import OneRoleEndpoint, RolesEndpoint
from issuer.web.console.screens.answers import KeptForms, Notices
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.trusted_issuers import OneTrustedIssuerEndpoint, TrustedIssuersEndpoint
from issuer.web.console.users.user import OneUserEndpoint
from issuer.web.console.users.users import UsersEndpoint
from issuer.web.console.verifiers import VerifiersEndpoint
from issuer.web.site import Site

# Where one path matches several, the first counts.
ENDPOINTS: tuple[type[ConsoleEndpoint], ...] = (
    OverviewEndpoint,
    AudiencesEndpoint,
    OneAudienceEndpoint,
    ClientsEndpoint,
    OneClientEndpoint,
    UsersEndpoint,
    OneUserEndpoint,
    RolesEndpoint,
    OneRoleEndpoint,
    TrustedIssuersEndpoint,
    OneTrustedIssuerEndpoint,
    ExplainEndpoint,
    ExplainTokenEndpoint,
    KeysEndpoint,
    VerifiersEndpoint,
    AuditEndpoint,
    AuditExportEndpoint,
    AuditEventEndpoint,
    ConfigurationEndpoint,
    ConfigurationExportEndpoint,
)


def console_endpoints(site: Site) -> list[ConsoleEndpoint]:
    parts = site.parts
    notices = Notices(site.cookies, parts.notices)
    kept_forms = KeptForms(site.cookies, parts.kept_forms, parts.clock)
    menu = [each for each in ENDPOINTS if each.LABEL]
    return [each(site, notices, kept_forms, menu) for each in ENDPOINTS]
