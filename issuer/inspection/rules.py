"""What an AgentOS should not answer: the rules that `docs/reference/inspection.md` lists."""

from collections.abc import Iterator
from dataclasses import dataclass

from issuer.inspection import checks
from issuer.inspection.checks import Check
from issuer.inspection.components import Exposure, Severity
from issuer.inspection.observed import Observed


@dataclass(frozen=True)
class InspectionRule:
    """`name` never changes its meaning: pipelines rely on it.

    In `remedy`, {issuer}, {audience} and {url} are replaced.
    """

    name: str
    severity: Severity
    check: Check
    summary: str
    remedy: str

    def exposures(self, observed: Observed) -> Iterator[Exposure]:
        """One for each evidence."""
        of = observed.request
        remedy = self.remedy.format(issuer=of.issuer, audience=of.audience, url=of.url)
        for evidence in self.check(observed):
            yield Exposure(rule=self.name, severity=self.severity, evidence=evidence, remedy=remedy)


def exposures_in(observed: Observed) -> list[Exposure]:
    """All of them, the most severe first."""
    found = (each for rule in RULES for each in rule.exposures(observed))
    order = list(Severity)
    return sorted(found, key=lambda each: order.index(each.severity))


_ATTACH = (
    'app = verifier.attach(AgentOS(id="{audience}", agents=[...], **verifier.auth()).get_app())'
)
_VERIFIER = 'verifier = Verifier("{issuer}", audience="{audience}")'
_WITH_URL = 'verifier = Verifier("{issuer}", audience="{audience}", url="{url}")'
_H, _M, _L = Severity

# By name, severity and check: what is wrong, and the remedy.
_RULES = {
    ("no-verification", _H, checks.no_verification): (
        "The AgentOS verifies no tokens: everybody may call it.",
        f"{_VERIFIER}; {_ATTACH}",
    ),
    ("open-route", _H, checks.open_routes): (
        "A route answers without a token.",
        "Remove the path from excluded_route_paths of AuthorizationConfig or of the middleware.",
    ),
    ("public-metrics", _M, checks.public_metrics): (
        "How much the agents are used is public.",
        "Remove /metrics from excluded_route_paths of AuthorizationConfig or of the middleware.",
    ),
    ("open-websocket", _H, checks.open_socket): (
        "The WebSocket runs workflows without a token.",
        f"{_ATTACH} Do not subclass JWTMiddleware.",
    ),
    ("open-mcp", _H, checks.open_mcp): (
        "MCP answers without a token: everybody may call its tools.",
        f"{_ATTACH} It protects MCP as well.",
    ),
    ("open-a2a", _H, checks.open_a2a): (
        "A2A answers without a token.",
        f"{_ATTACH} It protects A2A as well.",
    ),
    ("open-agui", _H, checks.open_agui): (
        "AG-UI answers without a token.",
        f"{_ATTACH} It protects AG-UI as well.",
    ),
    ("no-authorization", _H, checks.no_rights_needed): (
        "Any valid token opens every route: scopes are not checked.",
        "AgentOS(authorization=True, ...), or AuthMiddleware(..., authorization=True). In agno 2,"
        " do not mount the app of the AgentOS below another one.",
    ),
    ("route-without-scope", _H, checks.routes_without_rights): (
        "A route that requires a scope answers a token without scopes.",
        "Remove the path from scope_mappings, or let it require what AgentOS requires by default.",
    ),
    ("audience-not-verified", _H, checks.accepts_other_audience): (
        "Tokens for other AgentOS are accepted.",
        f"{_VERIFIER}; {_ATTACH} Or AuthorizationConfig(verify_audience=True,"
        ' audience="{audience}", ...)',
    ),
    ("signature-not-verified", _H, checks.accepts_forged): (
        "Forged tokens are accepted: everybody may call it.",
        "Remove validate=False from the middleware.",
    ),
    ("development-key", _H, checks.accepts_secret_of_example): (
        "Tokens signed by a secret of agno's examples are accepted.",
        "Unset JWT_VERIFICATION_KEY, and remove the secret from verification_keys.",
    ),
    ("cleartext", _H, checks.cleartext): (
        "Tokens travel without TLS.",
        "Serve the AgentOS by https.",
    ),
    ("outdated-agno", _H, checks.old_version): (
        "This version of agno has known gaps in MCP, A2A and AG-UI.",
        "pip install 'agno>=2.7.2,<4'",
    ),
    ("issuer-refused", _M, checks.issuer_refused): (
        "Tokens of this issuer for this audience are refused.",
        f"{_VERIFIER}; {_ATTACH}",
    ),
    ("no-verifier", _M, checks.no_verifier): (
        "It follows neither the keys nor the revocations of this issuer, such as with a key set in"
        " a file: tokens fail after a rotation, and revoked tokens and keys are accepted.",
        f"{_VERIFIER}, without revocations=False; {_ATTACH}",
    ),
    ("no-user-isolation", _M, checks.no_isolation): (
        "A user with sessions:read or memories:read sees what others have.",
        f"{_ATTACH.replace('verifier.auth()', 'verifier.auth(user_isolation=True)')}",
    ),
    ("any-origin", _M, checks.any_origin): (
        "Pages of any website may read its answers.",
        "Name your own origins in allow_origins of CORSMiddleware.",
    ),
    ("service-account", _M, checks.service_accounts): (
        "A service account of agno has a token that this issuer neither knows nor revokes: it"
        " remains valid when whoever made it has left.",
        "Revoke it unless it is needed: agno tokens revoke NAME --url {url}. Let MCP clients sign"
        f" in instead: {_WITH_URL}",
    ),
    ("other-issuer-named", _M, checks.other_issuer_named): (
        "Its metadata (RFC 9728) sends clients to another issuer.",
        _WITH_URL,
    ),
    ("inspector-refused", _L, checks.names_refused): (
        "The names of its agents, teams and workflows cannot be read.",
        "Allow {issuer} tokens with config:read: with a roles_claim, AgentOS ignores scopes.",
    ),
    ("public-documentation", _L, checks.public_documentation): (
        "All routes and their parameters are documented publicly.",
        "AgentOS(settings=AgnoAPISettings(docs_enabled=False), ...)",
    ),
    ("public-server-card", _L, checks.public_server_card): (
        "The tools of MCP are listed publicly.",
        "AgentOS(mcp=MCPConfig(server_card=False), ...)",
    ),
    ("no-resource-metadata", _L, checks.no_resource_document): (
        "Clients cannot find this issuer by the URL of the AgentOS (RFC 9728).",
        _WITH_URL,
    ),
    ("no-challenge", _L, checks.no_challenge): (
        "A 401 does not say where to get a token (RFC 9728 §5.1).",
        _WITH_URL,
    ),
    ("no-answer", _L, checks.no_answer): (
        "Some requests got no answer: whether their routes are open is unknown.",
        "Inspect it again when it is less busy.",
    ),
}
RULES = tuple(InspectionRule(*rule, *texts) for rule, texts in _RULES.items())
