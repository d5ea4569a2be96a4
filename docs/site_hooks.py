"""Hooks of MkDocs for this site: what its search finds first, and that it needs no other host.

`make docs` builds with them. They are not part of the site.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

MERMAID = "assets/javascripts/mermaid.min.js"
_DIAGRAM = 'class="mermaid"'
# Scripts, styles, pictures and fonts of a page; not links, which people follow.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'>]*"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|alternate))[^>]*href=["']?(?:https?:)?//[^"'>]*"""
    r"""|(?:url\(|@import )["']?(?:https?:)?//[^"')]*"""
)
# A how-to answers what people type; a decision has the same words, and no answer.
_BOOSTS = {"how-to/": 4.0, "reference/": 1.0}
# What people type who do not know our words yet, by the page that answers it. A word counts more
# than any title, so that common ones, such as `key` or `agent`, stand beside few pages.
_WORDS = {
    "how-to/accept-other-issuers.md": ["auth0", "clerk", "cognito", "supabase"],
    "how-to/act-on-behalf.md": ["delegation", "impersonation", "obo", "calls"],
    "how-to/administer-over-rest.md": ["admin api", "openapi", "swagger"],
    "how-to/agentos-without-a-model-key.md": ["openai", "api key", "anthropic", "stub"],
    "how-to/audit.md": ["audit", "siem", "splunk", "webhook"],
    "how-to/authenticate-a-github-workflow.md": ["github actions", "ci"],
    "how-to/authenticate-a-pod.md": ["pod", "workload identity"],
    "how-to/authenticate-with-a-key.md": ["private_key_jwt", "private key", "jwt assertion"],
    "how-to/backup.md": ["backup", "restore", "disaster recovery"],
    "how-to/brand-sign-in.md": ["logo", "theme", "colors", "language"],
    "how-to/change-the-url.md": ["domain", "hostname", "rename"],
    "how-to/close-an-open-agentos.md": ["open", "unprotected", "anonymous"],
    "how-to/compose.md": ["docker", "compose"],
    "how-to/connect-an-agentos.md": ["middleware", "verifier", "agno"],
    "how-to/connect-an-mcp-client.md": ["mcp", "claude", "cursor", "vscode"],
    "how-to/give-a-service-one-agent.md": ["service account", "client secret"],
    "how-to/give-rights-for-a-time.md": ["temporary", "expiry", "contractor", "jit"],
    "how-to/give-rights-to-a-group.md": ["group", "team"],
    "how-to/inspect-an-agentos.md": ["scan", "exposed"],
    "how-to/invite-people.md": ["mfa", "2fa", "passkey", "import", "csv", "invite", "onboarding"],
    "how-to/keep-the-configuration-in-git.md": ["gitops", "terraform", "yaml", "manifest"],
    "how-to/kubernetes.md": ["kubernetes", "helm", "k8s"],
    "how-to/observe.md": ["prometheus", "grafana", "metrics", "monitoring", "opentelemetry"],
    "how-to/provision-people-by-scim.md": ["scim", "provisioning", "joiner"],
    "how-to/revoke-tokens.md": [
        "revoke a token",
        "leaked",
        "stolen",
        "offboarding",
        "employee",
        "leaves",
    ],
    "how-to/rotate-keys.md": ["rotate", "rotation", "jwks"],
    "how-to/run-behind-a-proxy.md": ["nginx", "caddy", "haproxy", "tls", "https"],
    "how-to/run-in-production.md": ["systemd", "postgresql", "high availability", "ha", "install"],
    "how-to/see-what-is-used.md": ["least privilege", "unused", "access review"],
    "how-to/send-mail.md": ["forgot", "password reset", "smtp", "email"],
    "how-to/sign-in-on-the-command-line.md": ["cli", "terminal"],
    "how-to/sign-in-with-other-accounts.md": ["sso", "entra", "okta", "google", "azure"],
    "how-to/troubleshoot.md": ["401", "403", "expired", "invalid_client", "forbidden", "error"],
    "how-to/use-refresh-tokens.md": ["refresh"],
    "how-to/use-the-console.md": ["who can run", "admin ui", "dashboard"],
    "reference/limits.md": ["brute force", "429", "lockout", "throttling"],
}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rank pages in the search by their folder; decisions are found by their list."""
    path = page.file.src_uri
    boost = next((each for start, each in _BOOSTS.items() if path.startswith(start)), 0.5)
    search = {"exclude": True} if path.startswith("decisions/0") else {"boost": boost}
    page.meta.setdefault("search", search)
    if path in _WORDS:
        page.meta.setdefault("tags", _WORDS[path])
    return markdown


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load Mermaid from this site, where a page has a diagram: the theme would ask a CDN."""
    if _DIAGRAM not in output:
        return output
    root = "../" * page.file.dest_uri.count("/")
    return output.replace("</head>", f'<script src="{root}{MERMAID}"></script></head>', 1)


def on_post_build(config: Any, **_: Any) -> None:
    """Copy Mermaid into the site; `PluginError` if a page needs another host."""
    site = Path(config.site_dir)
    source = Path(config.config_file_path).with_name(".venv-docs") / Path(MERMAID).name
    if not source.is_file():
        raise PluginError(f"There is no {source}: `make docs` fetches it.")
    (site / MERMAID).write_bytes(source.read_bytes())
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        if found := _LOADED.search(file.read_text()):
            raise PluginError(f"{file} would request {found[0]}: keep it in the site.")
