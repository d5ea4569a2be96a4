"""A token of a Kubernetes service account, with the key set of its cluster.

Recorded from kube-apiserver v1.37.2, built from its Go module: the answers to a TokenRequest for a
pod, to `/.well-known/openid-configuration` and to `/openid/v1/jwks`.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from issuer.clients.trust_presets import Workload, preset
from tests.builders import URL, Deployment
from tests.clients.presenting import Presenting
from tests.drivers import TokenDriver
from tests.oauth.asserting import ask
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.trusting import CLUSTER, trust

RECORDED = json.loads((Path(__file__).parent / "kubernetes_token.json").read_text())
TOKEN: str = RECORDED["token"]
CLAIMS: dict[str, Any] = jwt.decode(TOKEN, options={"verify_signature": False})
ISSUED_AT = datetime.fromtimestamp(CLAIMS["iat"], UTC)
ONE_HOUR = timedelta(hours=1)

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def presenting(deployment: Deployment) -> Presenting:
    """When the token was issued; the client `pod` has the trust of the preset."""
    deployment.clock.now = ISSUED_AT + timedelta(seconds=1)
    with deployment.changing() as work:
        fields = work.trusted_issuers.resource_type.fields
        members = {"id": "cluster", "issuer": CLUSTER, "keys": {"jwks": RECORDED["jwks"]}}
        work.trusted_issuers.create(fields.read(members))
    found = preset(Workload(kubernetes="prod/web"))
    deployment.client("pod", trusts=[trust(subject=found.subject, claims=found.claims)])
    return Presenting(deployment)


def test_what_was_recorded_is_a_token_for_this_issuer(presenting: Presenting):
    """At a time at which it is valid."""
    assert presenting.accepts(TOKEN)
    assert (CLAIMS["iss"], CLAIMS["aud"]) == (RECORDED["discovery"]["issuer"], [URL])
    assert CLAIMS["kubernetes.io"]["pod"]["name"] == "web-0"
    assert "alg" in RECORDED["jwks"]["keys"][0]


def test_it_gets_a_token_until_it_expires(
    deployment: Deployment, presenting: Presenting, token_endpoint: TokenDriver
):
    assert ask(token_endpoint, TOKEN, client_id="pod").status == 200
    (event,) = events(deployment, "token.issued")
    subject, jti = "system:serviceaccount:prod:web", CLAIMS["jti"]
    assert event.details["assertion"] == {"issuer": "cluster", "subject": subject, "jti": jti}
    deployment.clock.now = ISSUED_AT + ONE_HOUR
    assert presenting.refusal(TOKEN) == "assertion: it has expired"


@rows(
    ("members", "rule"),
    [
        ({}, None),
        ({"claims": {"kubernetes.io": CLAIMS["kubernetes.io"]}}, None),
        ({"subject": "system:serviceaccount:prod:batch"}, "sub is not the subject of the trust"),
        ({"audience": "https://other.example"}, "aud does not hold the audience of the trust"),
        (
            {"claims": {"kubernetes.io": {"namespace": "prod"}}},
            "the claim kubernetes.io is another",
        ),
    ],
)
def test_it_is_compared_with_a_trust(
    deployment: Deployment, presenting: Presenting, members: dict[str, Any], rule: str | None
):
    other = deployment.client(trusts=[trust(**members)]).client_id
    assert presenting.findings(TOKEN, other) == [rule]
    assert presenting.accepts(TOKEN, other) is (rule is None)
