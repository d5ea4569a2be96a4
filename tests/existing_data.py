"""Data as of a team that uses the issuer already."""

from issuer.clients.client import ClientFields, SecretFields
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import Deployment
from tests.trusting import OtherIssuer

_JWKS = OtherIssuer.new("https://idp.corp.example").jwks
_BILLING = {
    "client_id": "billing-job",
    "name": "Billing",
    "audiences": ["neighbour-os"],
    "scopes": ["agents:billing:run"],
    "claims": {"tenant": "a"},
    "access_token_ttl": 300,
}
_WAREHOUSE = {
    "client_id": "warehouse",
    "audiences": ["neighbour-os"],
    "token_endpoint_auth_method": "private_key_jwt",
}


def fill(deployment: Deployment) -> None:
    """Data as of a team that uses the issuer: each kind, with members that can be lost. Once."""
    with deployment.changing() as work:
        if work.clients.exists("billing-job"):
            return
    deployment.audience(
        "neighbour-os", name="Of the neighbours", resources=["https://neighbour.example/mcp"]
    )
    deployment.role("neighbour-runner", ["agents:run", "config:read"])
    deployment.role("neighbour-admin", ["agent_os:admin"])
    corp = {"id": "corp", "issuer": "https://idp.corp.example", "keys": {"jwks": _JWKS}}
    trust = {"issuer": "corp", "subject": "warehouse", "audience": "https://id.example"}
    bob = deployment.user("bob", ["neighbour-admin"], name="Bob", email="bob@corp.example")
    dora = deployment.user("dora", password=None, name="Dora", claims={"team": "a"})
    neighbours = deployment.group("Neighbours", [bob])
    with deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(corp))
        work.invitations.create(dora, InvitationFields())
        work.clients.create(ClientFields.read(_BILLING))
        work.clients.add_secret("billing-job", SecretFields.read({"label": "second"}))
        work.clients.create(ClientFields.read(_WAREHOUSE))
        work.clients.update("warehouse", {"trusts": [trust]})
        for holder in (bob, dora, neighbours, "billing-job"):
            at = Assignment(role="neighbour-runner", audience="neighbour-os")
            work.assignments.assign(holder, at)
        work.assignments.assign("billing-job", Assignment(role="neighbour-runner"))


def use(deployment: Deployment, audience: str = "my-os") -> None:
    """Give the audience of a page what a reader may have given it before."""
    given = {
        "name": "Agents of the reader",
        "access_token_ttl": 600,
        "include_roles": True,
        "resources": [f"https://earlier.example/{audience}"],
    }
    with deployment.changing() as work:
        work.audiences.update(audience, given)
    deployment.role("earlier", ["agents:read", "sessions:read"])
    holder = deployment.client("earlier-bot", name="Of the reader", audiences=[audience])
    with deployment.changing() as work:
        at = Assignment(role="earlier", audience=audience)
        work.assignments.assign(holder.client_id, at)
