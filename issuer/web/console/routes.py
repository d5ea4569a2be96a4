"""The screens of the console."""

from issuer.web.console.audiences import AudiencesEndpoint, OneAudienceEndpoint
from issuer.web.console.audit import (
    AuditEndpoint,
    AuditEventEndpoint,
    AuditExportEndpoint,
)
from issuer.web.console.clients.client import OneClientEndpoint
from issuer.web.console.clients.clients import ClientsEndpoint
from issuer.web.console.configuration import (
    ConfigurationEndpoint,
    ConfigurationExportEndpoint,
)
from issuer.web.console.explain.explain import ExplainEndpoint
from issuer.web.console.explain.token import ExplainTokenEndpoint
from issuer.web.console.keys import KeysEndpoint
from issuer.web.console.overview import OverviewEndpoint
from issuer.web.console.roles import RoleEndpoint, RolesEndpoint
from issuer.web.console.screens.answers import KeptForms, Notices
from issuer.web.console.trusted_issuers import OneTrustedIssuerEndpoint, TrustedIssuersEndpoint
from issuer.web.console.users.user import OneUserEndpoint
from issuer.web.console.users.users import UsersEndpoint
from issuer.web.console.verifiers import VerifiersEndpoint
from issuer.web.site import PageEndpoint, Site


def console_endpoints(site: Site) -> list[PageEndpoint]:
    """Each screen. Where one path matches several, the first counts."""
    cookies, parts = site.cookies, site.parts
    kept = Notices(cookies, parts.notices), KeptForms(cookies, parts.kept_forms, parts.clock)
    return [
        OneAudienceEndpoint(site, *kept),
        AudiencesEndpoint(site, *kept),
        AuditEndpoint(site, *kept),
        AuditExportEndpoint(site, *kept),
        AuditEventEndpoint(site, *kept),
        OneClientEndpoint(site, *kept),
        ClientsEndpoint(site, *kept),
        ConfigurationEndpoint(site, *kept),
        ConfigurationExportEndpoint(site, *kept),
        ExplainEndpoint(site, *kept),
        ExplainTokenEndpoint(site, *kept),
        KeysEndpoint(site, *kept),
        OverviewEndpoint(site, *kept),
        RoleEndpoint(site, *kept),
        RolesEndpoint(site, *kept),
        OneTrustedIssuerEndpoint(site, *kept),
        TrustedIssuersEndpoint(site, *kept),
        OneUserEndpoint(site, *kept),
        UsersEndpoint(site, *kept),
        VerifiersEndpoint(site, *kept),
    ]
