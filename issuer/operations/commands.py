"""Commands that do not follow from a declaration, for pages that show them."""

from collections.abc import Iterable, Mapping

from issuer.resources import Command

DOCTOR = Command(("doctor",))
KEYS = Command(("key", "list"), "GET", ("keys",))
VERIFIERS = Command(("verifier", "list"), "GET", ("verifiers",))
EXPORT_AUDIT = Command(("audit", "export"))
VERIFY_AUDIT = Command(("audit", "verify"))
EXPORT = Command(("export",), "GET", ("manifest",))
PLAN = Command(("plan", "-f", "issuer.yaml"), "POST", ("manifest", "plan"), file="issuer.yaml")
APPLY = Command(("apply", "-f", "issuer.yaml"), "POST", ("manifest", "apply"), file="issuer.yaml")
REVIEW = Command(("review",), "GET", ("review",))
REVIEW_AS_CSV = Command(("review", "--csv"))


def audit_events(options: Iterable[str], query: Mapping[str, str]) -> Command:
    return Command(("audit", "list", *options), "GET", ("audit-events",), query=query)


def propose(name: str) -> Command:
    """The smallest rights that cover what a client or user used."""
    return Command(("review", "--propose", name), "GET", ("review", name))


def rotate_keys(alg: str, *, force: bool) -> Command:
    words = ("key", "rotate", "--alg", alg, *(["--force"] if force else []))
    query = {"alg": alg, **({"force": "true"} if force else {})}
    return Command(words, "POST", ("keys", "rotate"), query=query)


def revoke_key(kid: str) -> Command:
    words = ("key", "revoke", *(["--"] if kid.startswith("-") else []), kid)
    return Command(words, "POST", ("keys", kid, "revoke"))


def inspect(audience_id: str) -> Command:
    path = ("audiences", audience_id, "inspection")
    return Command(("audience", "inspect", audience_id), "POST", path)


def connect(url: str) -> Command:
    """Connect an MCP client to the AgentOS there."""
    return Command(("connect", "claude-code", url))


def first_client(audience: str) -> Command:
    """Create a client that may use an AgentOS."""
    options = ("--audience", audience, "--role", "web-runner")
    return Command(("client", "create", "ci-bot", *options))


def token(issuer: str) -> Command:
    """Get a token for the admin API."""
    return Command(("token", "--client-id", "issuer-admin", "--url", issuer))


# How to make the first resource of a kind.
EXAMPLES = {
    "audience": "issuer audience create my-os",
    "client": str(first_client("my-os")),
    "group": "issuer group create Platform\n"
    "issuer group member add Platform alice\n"
    "issuer group role assign Platform web-runner --audience my-os",
    "trusted issuer": "issuer trusted-issuer create cluster"
    " --issuer https://kubernetes.default.svc --jwks @jwks.json\n"
    "issuer trusted-issuer create google --google example.com"
    " --sign-in-client-id ID --sign-in-client-secret @secret",
    "user": "issuer user create alice --email alice@example.com\nissuer user invite alice",
}
