"""Trusted issuers where people sign in, and what they say about a person."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from issuer.audit import Actor
from issuer.directory.records import TrustedIssuerRecord
from issuer.sign_in.identities import Arrival, ArrivalRefused
from issuer.sign_in.provider_claims import provider_claims
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import URL, Deployment
from tests.trusting import OtherIssuer

COMPANY = "https://login.company.example"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ARRIVING = Actor(address="198.51.100.7")
_numbers = count(1)


@dataclass(frozen=True)
class Company:
    """An issuer where people sign in, as `id` here."""

    deployment: Deployment
    other: OtherIssuer = field(repr=False)
    id: str = "company"

    @property
    def record(self) -> TrustedIssuerRecord:
        found = self.deployment.services.tokens.directory.trusted_issuer(self.id)
        assert found is not None
        return found

    def change(self, **patch: Any) -> None:
        with self.deployment.changing() as work:
            work.trusted_issuers.update(self.id, patch)

    def claims(self, subject: str = "s-alice", **claims: Any) -> dict[str, Any]:
        """What it says of alice, but for what is changed; None leaves a claim out."""
        said = {
            "sub": subject,
            "name": "Alice Example",
            "preferred_username": "alice",
            "email": "alice@company.example",
            "email_verified": True,
            "groups": [],
            **claims,
        }
        return {name: value for name, value in said.items() if value is not None}

    def arrive(self, subject: str = "s-alice", **claims: Any) -> Arrival:
        """The person arrives, as after a sign-in there."""
        record = self.record
        assert record.sign_in is not None
        read = provider_claims(self.claims(subject, **claims), record.sign_in)
        administration = self.deployment.services.administration
        with administration.changing(ARRIVING, held=()) as work:
            return work.identities.arrive(record, read)

    def refusal(self, subject: str = "s-alice", **claims: Any) -> ArrivalRefused:
        try:
            arrival = self.arrive(subject, **claims)
        except ArrivalRefused as error:
            return error
        raise AssertionError(f"not refused: {arrival}")

    def link(self, user_id: str, subject: str = "s-alice") -> str:
        """By an administrator; the id of the identity."""
        with self.deployment.changing() as work:
            grantor = work.authority.grantor
            return work.identities.link(user_id, self.id, subject, "", grantor).id

    def id_jag(
        self, client: str, subject: str = "s-alice", header: Any = None, **changed: Any
    ) -> str:
        """A signed ID-JAG for the client; None leaves a claim out."""
        now = self.deployment.clock().timestamp()
        return self.other.token(
            now,
            {"typ": "oauth-id-jag+jwt", **(header or {})},
            **{
                "sub": subject,
                "aud": URL,
                "client_id": client,
                "resource": "my-os",
                "jti": f"jag-{next(_numbers)}",
                "nbf": None,
                "exp": int(now) + 300,
                **changed,
            },
        )


def people(other: OtherIssuer, **sign_in: Any) -> dict[str, Any]:
    """The members of such a trusted issuer, with given keys."""
    return {
        "id": "company",
        "issuer": other.issuer,
        "algorithms": [other.alg],
        "keys": {"jwks": other.jwks},
        "kinds": ["people"],
        "sign_in": {"client_id": "issuer", "groups_claim": "groups", **sign_in},
    }


def company(
    deployment: Deployment,
    other: OtherIssuer | None = None,
    issuer_id: str = "company",
    issuer: dict[str, Any] | None = None,
    **sign_in: Any,
) -> Company:
    """Trust it for people; `sign_in` has further members of that, `issuer` of the rest."""
    other = other or OtherIssuer.new(COMPANY, "ES256")
    members = {**people(other, **sign_in), "id": issuer_id, **(issuer or {})}
    with deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(members))
    return Company(deployment, other, issuer_id)


def helpdesk(deployment: Deployment, scopes: list[str] | None = None) -> Callable[..., Any]:
    """Begins units of work of somebody who may write users, and no more."""
    scopes = scopes or ["issuer:users:write"]
    deployment.role("helpdesk", scopes)
    deployment.user("helper", id="helper", roles=["helpdesk"])
    administration = deployment.services.administration
    return lambda: administration.changing(Actor("helper"), scopes)
