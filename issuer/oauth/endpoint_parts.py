"""What the token, revocation and introspection endpoints share."""

from dataclasses import dataclass

from issuer.clock import Clock
from issuer.composition.tokens import TokenParts
from issuer.oauth.audit_events import Refusals
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.credential_checks import CredentialChecks
from issuer.oauth.overload import Rounds
from issuer.workers import WorkerPool


@dataclass(frozen=True)
class EndpointParts:
    clock: Clock
    tokens: TokenParts
    server: IssuerAuthorizationServer
    checks: CredentialChecks
    refusals: Refusals
    rounds: Rounds
    queries: WorkerPool
