"""What an AgentOS should not answer: the rules that `docs/reference/inspection.md` lists."""

from collections.abc import Iterator
from dataclasses import dataclass

from issuer.inspection import checks
from issuer.inspection.checks import Check
from issuer.inspection.observed import Observed
from issuer.inspection.report import Exposure, Severity


@dataclass(frozen=True)
class InspectionRule:
    """`name` never changes its meaning: pipelines rely on it.

    In `remedy`, {issuer}, {audience} and {url} are replaced.
    """

    name: str
    severity: Severity
    summary: str
    remedy: str
    check: Check

    def exposures(self, observed: Observed) -> Iterator[Exposure]:
        """One for each evidence."""
        remedy = self.remedy.format(
            issuer=observed.issuer, audience=observed.audience, url=observed.url
        )
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

RULES = (
    InspectionRule(
        "no-verification",
        _H,
        "The AgentOS verifies no tokens: everybody may call it.",
        f"{_VERIFIER}; {_ATTACH}",
        checks.no_verification,
    ),
    InspectionRule(
        "open-route",
        _H,
        "A route answers without a token.",
        "Remove the path from excluded_route_paths of AuthorizationConfig or of the middleware.",
        checks.open_routes,
    ),
    InspectionRule(
        "public-metrics",
        _M,
        "How much the agents are used is public.",
        "Remove /metrics from excluded_route_paths of AuthorizationConfig or of the middleware.",
        checks.public_metrics,
    ),
    InspectionRule(
        "open-websocket",
        _H,
        "The WebSocket runs workflows without a token.",
        f"{_ATTACH} Do not subclass JWTMiddleware.",
        checks.open_socket,
    ),
    InspectionRule(
        "open-mcp",
        _H,
        "MCP answers without a token: everybody may call its tools.",
        f"{_ATTACH} It protects MCP as well.",
        checks.open_mcp,
    ),
    InspectionRule(
        "open-a2a",
        _H,
        "A2A answers without a token.",
        f"{_ATTACH} It protects A2A as well.",
        checks.open_a2a,
    ),
    InspectionRule(
        "open-agui",
        _H,
        "AG-UI answers without a token.",
        f"{_ATTACH} It protects AG-UI as well.",
        checks.open_agui,
    ),
    InspectionRule(
        "no-authorization",
        _H,
        "Any valid token opens every route: scopes are not checked.",
        "AgentOS(authorization=True, ...), or AuthMiddleware(..., authorization=True). In agno 2,"
        " do not mount the app of the AgentOS below another one.",
        checks.no_rights_needed,
    ),
    InspectionRule(
        "route-without-scope",
        _H,
        "A route that requires a scope answers a token without scopes.",
        "Remove the path from scope_mappings, or let it require what AgentOS requires by default.",
        checks.routes_without_rights,
    ),
    InspectionRule(
        "audience-not-verified",
        _H,
        "Tokens for other AgentOS are accepted.",
        f"{_VERIFIER}; {_ATTACH} Or AuthorizationConfig(verify_audience=True,"
        ' audience="{audience}", ...)',
        checks.accepts_other_audience,
    ),
    InspectionRule(
        "signature-not-verified",
        _H,
        "Forged tokens are accepted: everybody may call it.",
        "Remove validate=False from the middleware.",
        checks.accepts_forged,
    ),
    InspectionRule(
        "development-key",
        _H,
        "Tokens signed by a secret of agno's examples are accepted.",
        "Unset JWT_VERIFICATION_KEY, and remove the secret from verification_keys.",
        checks.accepts_secret_of_example,
    ),
    InspectionRule(
        "cleartext",
        _H,
        "Tokens travel without TLS.",
        "Serve the AgentOS by https.",
        checks.cleartext,
    ),
    InspectionRule(
        "outdated-agno",
        _H,
        "This version of agno has known gaps in MCP, A2A and AG-UI.",
        "pip install 'agno>=2.7.2,<4'",
        checks.old_version,
    ),
    InspectionRule(
        "issuer-refused",
        _M,
        "Tokens of this issuer for this audience are refused.",
        f"{_VERIFIER}; {_ATTACH}",
        checks.issuer_refused,
    ),
    InspectionRule(
        "no-verifier",
        _M,
        "It follows neither the keys nor the revocations of this issuer, such as with a key set in"
        " a file: tokens fail after a rotation, and revoked tokens and keys are accepted.",
        f"{_VERIFIER}, without revocations=False; {_ATTACH}",
        checks.no_verifier,
    ),
    InspectionRule(
        "no-user-isolation",
        _M,
        "A user with sessions:read or memories:read sees what others have.",
        f"{_ATTACH.replace('verifier.auth()', 'verifier.auth(user_isolation=True)')}",
        checks.no_isolation,
    ),
    InspectionRule(
        "any-origin",
        _M,
        "Pages of any website may read its answers.",
        "Name your own origins in allow_origins of CORSMiddleware.",
        checks.any_origin,
    ),
    InspectionRule(
        "service-account",
        _M,
        "A service account of agno has a token that this issuer neither knows nor revokes: it"
        " remains valid when whoever made it has left.",
        "Revoke it unless it is needed: agno tokens revoke NAME --url {url}. Let MCP clients sign"
        f" in instead: {_WITH_URL}",
        checks.service_accounts,
    ),
    InspectionRule(
        "other-issuer-named",
        _M,
        "Its metadata (RFC 9728) sends clients to another issuer.",
        _WITH_URL,
        checks.other_issuer_named,
    ),
    InspectionRule(
        "inspector-refused",
        _L,
        "The names of its agents, teams and workflows cannot be read.",
        "Allow {issuer} tokens with config:read: with a roles_claim, AgentOS ignores scopes.",
        checks.names_refused,
    ),
    InspectionRule(
        "public-documentation",
        _L,
        "All routes and their parameters are documented publicly.",
        "AgentOS(settings=AgnoAPISettings(docs_enabled=False), ...)",
        checks.public_documentation,
    ),
    InspectionRule(
        "public-server-card",
        _L,
        "The tools of MCP are listed publicly.",
        "AgentOS(mcp=MCPConfig(server_card=False), ...)",
        checks.public_server_card,
    ),
    InspectionRule(
        "no-resource-metadata",
        _L,
        "Clients cannot find this issuer by the URL of the AgentOS (RFC 9728).",
        _WITH_URL,
        checks.no_resource_document,
    ),
    InspectionRule(
        "no-challenge",
        _L,
        "A 401 does not say where to get a token (RFC 9728 §5.1).",
        _WITH_URL,
        checks.no_challenge,
    ),
    InspectionRule(
        "no-answer",
        _L,
        "Some requests got no answer: whether their routes are open is unknown.",
        "Inspect it again when it is less busy.",
        checks.no_answer,
    ),
)
