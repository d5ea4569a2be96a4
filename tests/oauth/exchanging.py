"""Helpers for token exchange: alice's token, and clients that act with it one after the other."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from issuer.database.tables import ExchangedTokenRow
from issuer.roles import Assignment
from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.revocations.feed import Feed

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
SCOPES = ["agents:run", "sessions:read"]


def exchange(
    endpoint: TokenDriver, client: Credentials, token: str, **parameters: str | None
) -> TokenAnswer:
    """The answer to a valid request with the token; None leaves a parameter out."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        **parameters,
    }
    return endpoint.post(
        data={name: value for name, value in form.items() if value is not None},
        auth=(client.client_id, client.client_secret),
    )


@dataclass(frozen=True)
class Actors:
    """alice's token of `app` is for my-os; `agent` may exchange it for one for archive.

    `archivist` may exchange that for one for vault, and `keeper` that for one for my-os.
    """

    deployment: Deployment
    endpoint: TokenDriver
    user_id: str
    app: Credentials
    agent: Credentials
    archivist: Credentials
    keeper: Credentials

    def sign_in(self, **parameters: str) -> TokenAnswer:
        """alice signs in to `app`."""
        answer = self.endpoint.password(self.app, "alice", **parameters)
        assert answer.status == 200, answer.body
        return answer

    def by_agent(self, token: str, **parameters: str | None) -> TokenAnswer:
        return exchange(self.endpoint, self.agent, token, **parameters)

    def chain(self, token: str) -> list[str]:
        """The tokens that are exchanged for it one after the other, by all three."""
        tokens = []
        for client in (self.agent, self.archivist, self.keeper):
            answer = exchange(self.endpoint, client, token)
            assert answer.status == 200, answer.body
            tokens.append(token := answer.token)
        return tokens

    def accepted(self, token: str) -> bool:
        """Whether a verifier accepts the token; the issuer must agree."""
        by_verifier = not Feed.of(self.deployment.http).refuses(token)
        by_issuer = self.endpoint.introspect(self.deployment.admin, token)["active"]
        assert by_verifier == by_issuer
        return by_verifier

    def delegations(self) -> list[tuple[str, str, str, str]]:
        """Who acts for alice now: client and audience, and those of the exchanged tokens."""
        with self.deployment.services.administration.reading() as work:
            found = work.delegations.of_user(self.user_id)
        return [(e.client_id, e.audience, e.from_client, e.from_audience) for e in found]

    def assign(self, role: str, principal_id: str, audience: str | None = None) -> None:
        with self.deployment.changing() as work:
            work.assignments.assign(principal_id, Assignment(role=role, audience=audience))

    def unassign(self, role: str, principal_id: str, audience: str | None = None) -> None:
        with self.deployment.changing() as work:
            work.assignments.unassign(principal_id, Assignment(role=role, audience=audience))

    def change(self, client: Credentials, **fields: object) -> None:
        with self.deployment.changing() as work:
            work.clients.update(client.client_id, fields)


def actors(deployment: Deployment, endpoint: TokenDriver) -> Actors:
    """All of them hold `SCOPES` everywhere, and so does alice."""
    for audience in ("archive", "vault"):
        deployment.audience(audience)
    deployment.role("runner", SCOPES)
    user_id = deployment.user("alice", roles=["runner"])
    app = deployment.client("app", scopes=SCOPES, grant_types=["password", "refresh_token"])

    def acting(client_id: str, start: str, end: str) -> Credentials:
        rules = [{"from": start, "to": end}]
        return deployment.client(
            client_id, scopes=SCOPES, audiences=[end], grant_types=[EXCHANGE], may_act=rules
        )

    return Actors(
        deployment,
        endpoint,
        user_id,
        app,
        acting("agent", "my-os", "archive"),
        acting("archivist", "archive", "vault"),
        acting("keeper", "vault", "my-os"),
    )


def store_exchange(
    deployment: Deployment, user_id: str, acting: tuple[str, str], told: tuple[str, str]
) -> None:
    """As if a client had exchanged a token: `acting` and `told` are a client and an audience."""
    now = deployment.services.clock()
    with deployment.services.database.changing() as session:
        number = session.scalar(select(func.count()).select_from(ExchangedTokenRow))
        session.add(
            ExchangedTokenRow(
                jti=f"stored-{number}",
                user_id=user_id,
                client_id=acting[0],
                audience_id=acting[1],
                issued_at=now,
                expires_at=now + timedelta(minutes=12),
                subject_jti=f"subject-{number}",
                subject_client=told[0],
                subject_audience=told[1],
                subject_kid="kid",
                origin_client=told[0],
                origin_audience=told[1],
            )
        )
