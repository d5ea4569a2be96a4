"""An issuer with six weeks behind it, for pictures of the console."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from starlette.testclient import TestClient

from issuer.audit import Actor
from issuer.composition import compose
from issuer.directory import ActingClient
from issuer.roles import Assignment
from issuer.server.app import create_app
from issuer.sign_in.consents_store import AllowedAccess
from issuer.telemetry import logs
from issuer.trusted_issuers import TrustedIssuerFields
from issuer.verifiers.known_verifier import next_keys_of
from tests.builders import Credentials, Deployment, FakeClock, initialised, settings_for
from tests.drivers import TokenDriver
from tests.inspection.inspected import inspected
from tests.oauth.asserting import AssertingClient
from tests.oauth.exchanging import EXCHANGE as TOKEN_EXCHANGE
from tests.oauth.exchanging import store_exchange
from tests.people_of_others import company
from tests.sign_in.authorizing import GRANTS
from tests.trusting import CLUSTER, GITHUB, OtherIssuer
from tests.verifiers.reporting import reported
from tests.web.samples import NOW

_AGE = timedelta(days=45)
_HOUR = timedelta(hours=1)
_BUSY_HOURS = 7 * 24
_OFFICE_HOURS = range(6, 23)
_REFUSED = 0.1
_VERIFIED = "RS256"  # the algorithm of the audiences
_AUDIENCES: tuple[dict[str, Any], ...] = (
    {"audience_id": "support", "name": "Support", "resources": ["https://support.example/mcp"]},
    {"audience_id": "research", "name": "Research", "access_token_ttl": 300},
    {"audience_id": "staging", "name": "Staging", "include_roles": True},
)
_ROLES = {
    "support-agent": ["agents:triage:run", "agents:answers:run", "sessions:read"],
    "support-lead": ["agents:run", "agents:read", "sessions:read", "sessions:delete"],
    "researcher": ["agents:web:run", "agents:papers:run", "workflows:digest:run"],
    "evaluator": ["evals:read", "evals:write", "agents:raed"],
    "operator": ["agent_os:admin"],
    "issuer-admin": ["issuer:admin"],
}
_CLIENTS: tuple[tuple[str, str, str, str], ...] = (
    ("ticket-router", "Ticket router", "support-agent", "support"),
    ("nightly-digest", "Nightly digest", "researcher", "research"),
    ("invoice-sync", "Invoice sync", "support-lead", "support"),
    ("evals", "Evaluations in CI", "evaluator", "staging"),
)
_TRUSTED_ISSUERS: tuple[dict[str, Any], ...] = (
    {"id": "cluster", "issuer": CLUSTER, "keys": {"jwks": OtherIssuer.new().jwks}},
    {"id": "github", "issuer": GITHUB, "keys": {"discovery": True}},
    {
        **{"id": "mesh", "issuer": "spiffe://prod.example", "algorithms": ["ES256", "RS256"]},
        "keys": {"jwks_uri": "https://spire.prod.example/keys"},
    },
)
_RELEASES = {
    "issuer": "github",
    "subject": "repo:agno-apps@4821/support@90417:environment:production",
    "claims": {"repository_owner_id": "4821", "repository_id": "90417"},
}
_PODS = {"issuer": "cluster", "subject": "system:serviceaccount:support:releases"}
_USERS: tuple[tuple[str, str, str, str], ...] = (
    ("alice", "Alice Meyer", "support-lead", "support"),
    ("bruno", "Bruno Costa", "support-agent", "support"),
    ("chidi", "Chidi Okafor", "researcher", "research"),
    ("dana", "Dana Levi", "operator", "staging"),
)


_ACTING = {
    "grant_types": ["client_credentials", TOKEN_EXCHANGE],
    "may_act": [{"from": "support", "to": "research"}],
    "external_audiences": [
        {
            **{"issuer": "https://login.tracker.example", "client_id": "digest-of-ours"},
            **{"resource": "https://tracker.example/mcp", "scopes": ["issues:read"]},
        }
    ],
}


@contextmanager
def sample_issuer(folder: Path) -> Iterator[Deployment]:
    """It is `NOW`; the user `ada` holds `issuer:admin`."""
    logs.configure("ERROR")
    clock = FakeClock()
    clock.now = NOW - _AGE
    settings = settings_for(folder, signing_algorithms="RS256 ES256")
    admin = initialised(settings, clock)
    composition = compose(settings, clock)
    server = TestClient(
        create_app(composition), base_url=settings.url, client=("10.4.7.21", 50_000)
    )
    with server as http:
        deployment = Deployment(composition, admin, http, Actor("ada", address="10.4.1.3"))
        clients = _configure(deployment)
        _live(deployment, clients)
        _inspect(deployment)
        _report(deployment)
        _act(deployment)
        composition.audit.checkpoints.make()
        yield deployment


def _configure(deployment: Deployment) -> list[Credentials]:
    for audience in _AUDIENCES:
        deployment.audience(**audience)
    for name, scopes in _ROLES.items():
        deployment.role(name, scopes)
    clients = [
        deployment.client(client_id, name=name, audiences=[audience])
        for client_id, name, _, audience in _CLIENTS
    ]
    with deployment.changing() as work:
        work.clients.update("nightly-digest", _ACTING)
    with deployment.changing() as work:
        for each in _TRUSTED_ISSUERS:
            work.trusted_issuers.create(TrustedIssuerFields.read(each))
    deployment.client(
        "releases",
        name="Releases",
        audiences=["support"],
        token_endpoint_auth_method="private_key_jwt",
        jwks=AssertingClient.new("releases", kid="releases-2026").jwks,
        trusts=[_RELEASES, _PODS],
    )
    deployment.client(
        "desk",
        name="Help desk",
        audiences=["support", "research"],
        grant_types=GRANTS,
        redirect_uris=["https://desk.example/callback"],
        user_rights="all",
    )
    holders = [(client_id, role, audience) for client_id, _, role, audience in _CLIENTS]
    holders.append(("releases", "support-lead", "support"))
    holders += [
        (deployment.user(username, id=username, name=name), role, audience)
        for username, name, role, audience in _USERS
    ]
    with deployment.changing() as work:
        for holder, role, audience in holders:
            work.assignments.assign(holder, Assignment(role=role, audience=audience))
    deployment.group("Leads", ["alice", "dana"], id="leads")
    here = company(
        deployment,
        roles=[
            {"group": "support-leads", "role": "support-lead", "audience": "support"},
            {"group": "everybody", "role": "support-agent", "audience": None},
        ],
        client_secret="sample",
        required_claims={"department": "support"},
        id_jag=True,
    )
    here.link("alice")
    here.arrive(groups=["support-leads"], department="support")
    deployment.group(
        "Triage", ["alice", "bruno", "chidi"], id="triage", description="Everybody on call"
    )
    with deployment.changing() as work:
        work.assignments.assign("triage", Assignment(role="support-agent", audience="support"))
    # From the command line: a password that others gave would end with her first rights here.
    local = Deployment(deployment.services, deployment.admin, deployment.http)
    local.user("ada", ["issuer-admin"], id="ada", name="Ada Byrne")
    return clients


def _live(deployment: Deployment, clients: list[Credentials]) -> None:
    """A second secret, keys that rotate, and a week of requests."""
    while deployment.clock() < NOW - _HOUR * _BUSY_HOURS:
        deployment.wait(timedelta(days=1))
    fresh = deployment.secret(clients[0], label="since the move")
    random, tokens = Random(7), TokenDriver(deployment.http)
    used = [clients[0], fresh, *clients[1:3]]
    for _ in range(_BUSY_HOURS):
        deployment.wait(_HOUR)
        requests = 6 if deployment.clock().hour in _OFFICE_HOURS else 1
        for _ in range(random.randint(1, requests)):
            tokens.client_credentials(random.choice(used))
        if random.random() < _REFUSED:
            tokens.client_credentials(clients[2], scope="agent_os:admin")
    deployment.services.audit.token_counts.count()
    deployment.services.tokens.last_use.write()


def _inspect(deployment: Deployment) -> None:
    """Which agents the AgentOS had when they were inspected last: one is gone since."""
    agents = {"triage": "Triage", "answers": "Answers", "escalation": "Escalation desk"}
    inspected(deployment, "support", agents=agents, teams={"on-call": "On call"})
    inspected(deployment, "research", agents={"web": "Web search"}, workflows={"digest": "Digest"})
    inspected(deployment, "staging", agents={"triage": "Triage"})


def _report(deployment: Deployment) -> None:
    """Verifiers of each AgentOS: one lacks the next key, and one has ended."""
    keys = deployment.services.keys.keyring.keys
    following = next_keys_of(keys, deployment.clock()).values()
    known = [key.kid for key in keys if key.is_usable and key.alg == _VERIFIED]
    without = [kid for kid in known if kid not in following]
    ended = timedelta(hours=3)
    deployment.clock.move(-ended)
    reported(deployment, known, "10.4.9.4", id="staging-1", aud="staging", agno="2.7.2")
    deployment.clock.move(ended)
    for address, number, kids in (
        ("10.4.2.11", 1, known),
        ("10.4.2.11", 2, known),
        ("10.4.2.12", 3, without),
        ("10.4.2.12", 4, without),
    ):
        reported(deployment, kids, address, id=f"support-{number}", aud="support")
    reported(deployment, known, "2001:db8:4:3::7", id="research-1", aud="research")


def _act(deployment: Deployment) -> None:
    """The help desk, which alice allowed, and a client that acts for her with its token."""
    digest = ActingClient("nightly-digest", "research")
    access = AllowedAccess(
        "alice",
        "desk",
        "support",
        "https://desk.example/callback",
        frozenset({"agents:run", "sessions:read"}),
        frozenset({"openid"}),
        frozenset({digest}),
    )
    with deployment.changing() as work:
        work.consents.grant(access)
    acting = (digest.client_id, digest.audience_id)
    store_exchange(deployment, "alice", acting, ("desk", "support"))
