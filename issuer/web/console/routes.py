"""The screens of the console."""

from issuer.web.console.audience import OneAudienceEndpoint
from issuer.web.console.audiences import AudiencesEndpoint
from issuer.web.console.audit import (
    AuditEndpoint,
    AuditEventEndpoint,
    AuditExportEndpoint,
)
from issuer.web.console.client import OneClientEndpoint
from issuer.web.console.clients import ClientsEndpoint
from issuer.web.console.configuration import (
    ConfigurationEndpoint,
    ConfigurationExportEndpoint,
)
from issuer.web.console.explain import ExplainEndpoint
from issuer.web.console.explain_token import ExplainTokenEndpoint
from issuer.web.console.keys import KeysEndpoint
from issuer.web.console.notices import Notices
from issuer.web.console.overview import OverviewEndpoint
from issuer.web.console.role import RoleEndpoint
from issuer.web.console.roles import RolesEndpoint
from issuer.web.console.trusted_issuer import OneTrustedIssuerEndpoint
from issuer.web.console.trusted_issuers import TrustedIssuersEndpoint
from issuer.web.console.user import OneUserEndpoint
from issuer.web.console.users import UsersEndpoint
from issuer.web.console.verifiers import VerifiersEndpoint
from issuer.web.site import PageEndpoint, Site


def console_endpoints(site: Site) -> list[PageEndpoint]:
    """Each screen. Where one path matches several, the first counts."""
    notices = Notices(site.cookies, site.parts.notices)
    return [
        OneAudienceEndpoint(site, notices),
        AudiencesEndpoint(site, notices),
        AuditEndpoint(site, notices),
        AuditExportEndpoint(site, notices),
        AuditEventEndpoint(site, notices),
        OneClientEndpoint(site, notices),
        ClientsEndpoint(site, notices),
        ConfigurationEndpoint(site, notices),
        ConfigurationExportEndpoint(site, notices),
        ExplainEndpoint(site, notices),
        ExplainTokenEndpoint(site, notices),
        KeysEndpoint(site, notices),
        OverviewEndpoint(site, notices),
        RoleEndpoint(site, notices),
        RolesEndpoint(site, notices),
        OneTrustedIssuerEndpoint(site, notices),
        TrustedIssuersEndpoint(site, notices),
        OneUserEndpoint(site, notices),
        UsersEndpoint(site, notices),
        VerifiersEndpoint(site, notices),
    ]
