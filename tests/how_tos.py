"""Follow a how-to at an issuer that has data already, and compare what else changed.

A new page must be in `CHANGES` or in `NOT_RUN`: see tests/test_how_tos.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.builders import Deployment
from tests.existing_data import fill
from tests.row_changes import changes, rows

# What each page says that it makes or changes. Pages that only read have nothing.
CHANGES: dict[str, list[str]] = {
    "act-on-behalf.md": [
        "+ audiences archive",
        "+ roles agent-user",
        "+ assignments alice agent-user my-os",
        "+ assignments alice agent-user archive",
        "+ clients my-os-agents",
        "+ client_audiences my-os-agents archive",
        "+ client_secrets my-os-agents",
        "+ exchanged_tokens my-os-agents",
        "+ exchanged_tokens my-os-agents",
        "+ revoked_principals sub alice",
        "+ revoked_principals client_id my-os-agents",
    ],
    "administer-over-rest.md": [],
    "audit.md": [],
    "authenticate-a-github-workflow.md": [
        "+ clients deploy",
        "+ client_audiences deploy my-os",
        "+ client_trust_subjects deploy repo:octo-org/old-repo:ref:refs/heads/main",
        "+ client_trust_subjects deploy repo:octo-org@65/octo-repo@74:environment:prod",
        "+ trusted_issuers github",
    ],
    "authenticate-a-pod.md": [
        "+ clients web",
        "+ client_audiences web my-os",
        "+ client_trust_subjects web system:serviceaccount:prod:web",
        "+ trusted_issuers cluster",
        "+ trusted_issuers cloud",
    ],
    "authenticate-a-spiffe-workload.md": [
        "+ clients web",
        "+ client_audiences web my-os",
        "+ client_trust_subjects web spiffe://prod.example/ns/prod/sa/web",
        "+ trusted_issuers mesh",
        "+ trusted_issuers spire",
    ],
    "authenticate-with-a-key.md": ["+ clients nightly", "+ client_audiences nightly my-os"],
    "backup.md": [],
    "bind-tokens-to-a-key.md": [
        "~ audiences my-os: require_dpop",
        "+ clients reporter",
        "+ client_audiences reporter my-os",
        "+ client_secrets reporter",
    ],
    "brand-sign-in.md": [],
    "call-an-agentos-from-a-service.md": [],
    "change-the-url.md": [
        "~ deployment: issuer",
        "- audiences ISSUER",
        "+ audiences https://new.example",
        "- client_audiences issuer-admin ISSUER",
        "+ client_audiences issuer-admin https://new.example",
    ],
    "connect-an-mcp-client.md": [
        "+ audience_resources https://os.example my-os",
        "+ audience_resources https://os.example/mcp my-os",
        "+ roles mcp-user",
        "+ assignments alice mcp-user my-os",
        "+ clients my-editor",
        "+ client_audiences my-editor my-os",
        "+ clients reporter",
        "+ client_audiences reporter my-os",
        "+ client_secrets reporter",
    ],
    "give-a-service-one-agent.md": [
        "+ audiences my-os",
        "+ roles web-runner",
        "+ clients ci-bot",
        "+ client_audiences ci-bot my-os",
        "+ client_secrets ci-bot",
        "+ revoked_principals client_id ci-bot",
    ],
    "give-rights-for-a-time.md": [
        "+ revoked_principals sub alice",
        "~ clients ci-bot: scopes",
    ],
    "give-rights-to-a-group.md": [
        "+ revoked_principals sub alice",
        "+ revoked_principals sub carol",
    ],
    "inspect-an-agentos.md": ["~ audiences my-os: url", "+ inspections my-os"],
    "invite-people.md": [
        "+ users alice",
        "+ assignments alice reader my-os",
        "+ users admin",
        "+ roles administrator",
        "+ assignments admin administrator ISSUER",
        "+ invitations admin",
        "+ revoked_principals sub alice",
    ],
    "provision-people-by-scim.md": [
        "+ clients idp",
        "+ client_audiences idp ISSUER",
        "+ client_secrets idp",
        "+ trusted_issuers entra-tenant",
        "+ clients entra-scim",
        "+ client_audiences entra-scim ISSUER",
        "+ client_trust_subjects entra-scim 5c1d2e3f-4a5b-4c6d-8e7f-9a0b1c2d3e4f",
        "+ users alice",
        "+ group_members engineering alice",
        "+ assignments engineering web-runner my-os",
    ],
    "keep-the-configuration-in-git.md": [
        "+ roles report-runner",
        "+ clients report-bot",
        "+ client_audiences report-bot my-os",
        "+ client_secrets report-bot",
        "+ assignments report-bot report-runner my-os",
        "+ users carol",
        "+ assignments carol report-runner None",
    ],
    "kubernetes.md": [
        "+ audiences my-os",
        "+ clients ci-bot",
        "+ client_audiences ci-bot my-os",
        "+ client_secrets ci-bot",
        "+ client_secrets ci-bot",
        "+ users admin",
        "+ roles administrator",
        "+ assignments admin administrator ISSUER",
        "+ invitations admin",
    ],
    "revoke-tokens.md": [
        "+ revoked_principals sub alice",
        "+ revoked_principals client_id ci-bot",
        "+ revoked_tokens jti 5f0c8a1f6d3b4e27a90b1c2d3e4f5a6b",
    ],
    "rotate-keys.md": [
        "~ audiences my-os: alg_changes_at, previous_alg, signing_alg",
        "~ signing_keys RS256: destroyed_at, revoked_at, sealed_private",
        "~ signing_keys RS256: activates_at, sealed_private",
        "+ signing_keys RS256",
        "~ signing_keys ES256: sealed_private",
        "~ signing_keys ES256: sealed_private",
    ],
    "see-what-is-used.md": [
        "+ clients my-os-usage",
        "+ client_audiences my-os-usage ISSUER",
        "+ client_audiences my-os-usage my-os",
        "+ client_secrets my-os-usage",
        "~ clients ci-bot: scopes",
    ],
    "send-mail.md": [
        "+ users alice",
        "+ invitations alice",
        "+ used_challenges",
        "+ used_challenges",
    ],
    "sign-in-on-a-device.md": [
        "+ clients deploy-tool",
        "+ client_audiences deploy-tool my-os",
        "+ sessions alice",
        "+ consents alice deploy-tool my-os",
        "+ device_codes deploy-tool",
        "+ authorization_codes alice deploy-tool my-os",
        "+ refresh_families deploy-tool",
    ],
    "sign-in-from-a-web-application.md": [
        "+ clients reports",
        "+ client_audiences reports my-os",
        "+ client_secrets reports",
        "+ roles web-reader",
        "+ users alice",
        "+ assignments alice web-reader my-os",
        "+ invitations alice",
    ],
    "sign-in-on-the-command-line.md": [
        "+ clients issuer-cli",
        "+ client_audiences issuer-cli my-os",
        "+ client_audiences issuer-cli ISSUER",
        "+ sessions alice",
        "+ consents alice issuer-cli my-os",
        "+ device_codes issuer-cli",
        "+ authorization_codes alice issuer-cli my-os",
        "+ refresh_families issuer-cli",
    ],
    "sign-in-with-other-accounts.md": [
        "+ trusted_issuers entra",
        "+ trusted_issuers okta",
        "+ trusted_issuers google",
        "+ trusted_issuers keycloak",
        "+ trusted_issuers authentik",
        "+ trusted_issuers dex",
        "+ trusted_issuers github-people",
        "+ trusted_issuers partner",
        *(f"+ provider_roles {number}" for number in range(1, 7)),
        "+ clients agentos-issuer",
        "+ client_secrets agentos-issuer",
    ],
    "troubleshoot.md": ["+ clients my-editor", "+ client_audiences my-editor my-os"],
    "trust-another-issuer.md": [
        "+ clients web",
        "+ client_audiences web my-os",
        "+ client_trust_subjects web system:serviceaccount:prod:web",
        "+ trusted_issuers cluster",
    ],
    "upgrade.md": [],
    "use-company-accounts-without-a-browser.md": [
        "+ audience_resources https://os.example/mcp my-os",
        "+ trusted_issuers company",
        "+ identities company 00u1a2b3c4",
        "+ roles assistant-user",
        "+ assignments alice assistant-user my-os",
        "+ clients assistant",
        "+ client_audiences assistant my-os",
        "+ client_secrets assistant",
    ],
    "use-refresh-tokens.md": [
        "+ clients app",
        "+ client_audiences app my-os",
        "+ client_secrets app",
        "+ refresh_families app",
    ],
    "use-the-console.md": [
        "+ users admin",
        "+ roles administrator",
        "+ assignments admin administrator ISSUER",
        "+ invitations admin",
    ],
}

# Pages of which no command runs at such an issuer, and why.
NOT_RUN = {
    "agentos-without-a-model-key.md": "An AgentOS, of which tests/journeys/test_demo.py runs one.",
    "administer-from-anywhere.md": (
        "On another machine than the server: tests/cli/test_elsewhere.py does its steps."
    ),
    "accept-other-issuers.md": "Code for an AgentOS alone: tests/agentos/test_other_issuers.py.",
    "close-an-open-agentos.md": (
        "In the console: tests/journeys/console/test_from_open_to_exact.py does its steps."
    ),
    "compose.md": "Makes a new issuer in containers: tests/deploy/test_compose.py.",
    "connect-an-agentos.md": "Reads a published key set alone: tests/agentos/test_docs.py.",
    "observe.md": "Needs Prometheus, Grafana and a collector: tests/prometheus, tests/otel.",
    "rehearse-a-rotation.md": "Waits for verifiers to fetch a key: tests/journeys drill them.",
    "run-behind-a-proxy.md": "Configurations of proxies: tests/journeys/test_behind_proxies.py.",
    "run-in-a-container.md": "Makes a new issuer in a container: tests/deploy/test_image.py.",
    "run-in-production.md": "Installs a new issuer as root: tests/journeys/test_wheel.py.",
}


@contextmanager
def changing_only(deployment: Deployment, *pages: str) -> Iterator[None]:
    """Whatever is done within changes what these pages say, and nothing else."""
    fill(deployment)
    before = rows(deployment)
    yield
    expected = [change for page in pages for change in CHANGES[page]]
    found = sorted(changes(before, rows(deployment), deployment))
    assert found == sorted(expected), "\n".join(found)
