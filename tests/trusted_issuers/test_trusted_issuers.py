"""Trusted issuers as a resource: what is refused, and who may change which."""

from typing import Any

import pytest
from sqlalchemy import delete

from issuer.clients.client import ClientFields
from issuer.database.tables import TrustedIssuerRow
from issuer.errors import Forbidden, InUse, InvalidField
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import OPERATOR, URL, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.federation.tls_server import self_signed
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.trusting import OtherIssuer, trust, trusted

CLUSTER = OtherIssuer.new()
CERTIFICATE = self_signed("spire.example").decode().partition("-----BEGIN CERTIFICATE")
CA = CERTIFICATE[1] + CERTIFICATE[2]
SPIFFE = {"issuer": "spiffe://prod.example", "keys": {"jwks_uri": "https://spire.example/keys"}}
VALID = {"id": "cluster", "issuer": CLUSTER.issuer, "keys": {"discovery": True}}


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    token = token_endpoint.client_credentials(deployment.admin).token
    return AdminApi(deployment.http, token)


@pytest.fixture
def cluster_and_mesh(deployment: Deployment) -> None:
    trusted(deployment, CLUSTER)
    trusted(deployment, CLUSTER, id="mesh", issuer=SPIFFE["issuer"])


def test_the_admin_api_has_its_operations(admin: AdminApi, deployment: Deployment):
    created = admin.post("/trusted-issuers", **VALID)
    assert created.status_code == 201, created.text
    assert created.headers["location"] == f"{URL}/admin/v1/trusted-issuers/cluster"
    assert created.json() | VALID == created.json()
    assert (created.json()["algorithms"], created.json()["kinds"]) == (["RS256"], ["workload"])
    etag = created.headers["etag"]
    patched = admin.patch("/trusted-issuers/cluster", if_match=etag, disabled=True)
    assert patched.json()["disabled"] is True
    assert problem(admin.patch("/trusted-issuers/cluster", if_match=etag)) == (
        412,
        "precondition-failed",
    )
    assert problem(admin.post("/trusted-issuers", **VALID)) == (409, "already-exists")
    assert [each["id"] for each in admin.get("/trusted-issuers").json()["items"]] == ["cluster"]
    assert admin.delete("/trusted-issuers/cluster").status_code == 204
    assert problem(admin.get("/trusted-issuers/cluster")) == (404, "not-found")
    actions = [f"trusted_issuer.{what}" for what in ("created", "updated", "deleted")]
    assert [len(events(deployment, action)) for action in actions] == [1, 1, 1]


@rows(
    ("members", "member"),
    [
        ({"id": ""}, "id"),
        ({"issuer": "kubernetes/serviceaccount"}, "issuer"),
        ({"issuer": "http://10.0.0.1"}, "issuer"),
        ({"issuer": "https://user@cluster.example"}, "issuer"),
        ({"issuer": "https://cluster.example?a=b"}, "issuer"),
        ({"issuer": "https://cluster.example#a"}, "issuer"),
        ({"issuer": "spiffe://prod/path"}, "issuer"),
        ({"issuer": "spiffe://PROD"}, "issuer"),
        ({"issuer": "spiffe://prod"}, "keys"),
        ({"issuer": URL}, "issuer"),
        ({"keys": {}}, "keys"),
        ({"keys": {"discovery": False}}, "keys"),
        ({"keys": {"discovery": True, "jwks_uri": "https://a.example"}}, "keys"),
        ({"keys": {"jwks_uri": "http://cluster.example/jwks"}}, "keys"),
        ({"keys": {"jwks_uri": "https://10.0.0.1/jwks"}}, "keys"),
        ({"keys": {"jwks_uri": "https://localhost/jwks"}}, "keys"),
        ({"keys": {"jwks_uri": "https://[::1]/jwks"}}, "keys"),
        ({"keys": {"jwks_uri": "http://127.0.0.1/jwks"}, "allow_private_addresses": True}, "keys"),
        ({"keys": {"jwks": {"keys": []}}}, "keys"),
        ({"keys": {"jwks": {"keys": [CLUSTER.key.as_dict(private=True)]}}}, "keys"),
        ({"keys": {"jwks": CLUSTER.jwks}, "algorithms": ["ES256"]}, "keys"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({**SPIFFE, "algorithms": ["ES256", "EdDSA"]}, "algorithms"),
        ({"ca_certificate": "not a certificate"}, "ca_certificate"),
        ({"ca_certificate": "\u202e"}, "ca_certificate"),
        ({"typ": ""}, "typ"),
        ({"typ": "application/jwt"}, "typ"),
        ({"typ": "j w t"}, "typ"),
        ({**SPIFFE, "algorithms": ["ES256"], "typ": "at+jwt"}, "typ"),
        ({"ca_certificate": self_signed("a.example").decode()}, "ca_certificate"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["people"]}, "sign_in"),
        ({"kinds": ["people", "machines"]}, "kinds"),
        ({"sign_in": {}}, "sign_in"),
    ],
)
def test_wrong_definitions_are_refused_naming_the_member(
    admin: AdminApi, members: dict[str, Any], member: str
):
    refused = admin.post("/trusted-issuers", **{**VALID, **members})
    assert problem(refused) == (422, "invalid-fields")
    assert [each["field"].partition(".")[0] for each in refused.json()["errors"]] == [member]


@rows(
    "members",
    [
        {"keys": {"jwks_uri": "https://10.0.0.1/jwks"}, "allow_private_addresses": True},
        {"keys": {"jwks": CLUSTER.jwks}},
        {**SPIFFE, "algorithms": ["ES256"]},
        {"algorithms": ["ES384", "RS256", "RS256"]},
        {"ca_certificate": CA},
        {"typ": "at+jwt"},
        {**SPIFFE, "algorithms": ["ES256"], "typ": "JWT"},
    ],
)
def test_possible_definitions_are_accepted(admin: AdminApi, members: dict[str, Any]):
    assert admin.post("/trusted-issuers", **{**VALID, **members}).status_code == 201
    assert admin.delete("/trusted-issuers/cluster").status_code == 204


@pytest.mark.parametrize("algorithms", [["Ed25519"], ["Ed25519", "EdDSA"]])
def test_ed25519_is_stored_as_eddsa(admin: AdminApi, algorithms: list[str]):
    created = admin.post("/trusted-issuers", **VALID, algorithms=algorithms)
    assert created.status_code == 201, created.text
    assert created.json()["algorithms"] == ["EdDSA"]


def test_several_clusters_may_have_one_issuer(admin: AdminApi):
    """Every cluster that was set up alike says `https://kubernetes.default.svc.cluster.local`."""
    for name in ("one", "two"):
        other = OtherIssuer.new()
        members = {"issuer": other.issuer, "keys": {"jwks": other.jwks}}
        assert admin.post("/trusted-issuers", id=name, **members).status_code == 201


@rows(
    ("members", "message"),
    [
        ({"issuer": "unknown"}, "there is no trusted issuer"),
        ({"subject": ""}, "at least 1 character"),
        ({"subject": " "}, "at least one character"),
        ({"subject": "system:serviceaccount:prod:*"}, "compared exactly"),
        ({"subject": "repo:o/r:ref:refs/heads/release-?"}, "compared exactly"),
        ({"subject": "a" * 513}, "512"),
        ({"audience": "*"}, "compared exactly"),
        ({"audience": ""}, "at least 1 character"),
        ({"claims": {"ref": "refs/heads/*"}}, "compared exactly"),
        ({"claims": {"a": [{"b": "x*"}]}}, "compared exactly"),
        ({"claims": {"sub": "other"}}, "checked already"),
        ({"claims": {f"c{n}": 1 for n in range(21)}}, "at most 20"),
        ({"claims": {"a": "x" * 3_000}}, "2048 bytes"),
        ({"pattern": "x"}, "is not a known member"),
        ({"issuer": "mesh"}, "must begin with spiffe://prod.example/"),
        ({"issuer": "mesh", "subject": "spiffe://prod.example.evil/a"}, "must begin with"),
    ],
)
def test_wrong_trusts_are_refused_naming_the_member(
    admin: AdminApi, cluster_and_mesh: None, members: dict[str, Any], message: str
):
    refused = admin.post("/clients", client_id="pod", trusts=[trust(**members)])
    assert problem(refused) == (422, "invalid-fields")
    (error,) = refused.json()["errors"]
    assert error["field"].startswith("trusts")
    assert message in str(error)


def test_a_client_has_at_most_twenty_trusts_each_once_and_none_if_it_is_public(
    admin: AdminApi, deployment: Deployment
):
    trusted(deployment, CLUSTER)
    many = [trust(subject=f"pod-{number}") for number in range(21)]
    assert problem(admin.post("/clients", trusts=many)) == (422, "invalid-fields")
    assert problem(admin.post("/clients", trusts=[trust(), trust()])) == (422, "invalid-fields")
    person = {"grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/"]}
    person["token_endpoint_auth_method"] = "none"
    assert problem(admin.post("/clients", trusts=[trust()], **person)) == (422, "invalid-fields")
    assert admin.post("/clients", trusts=many[:20]).status_code == 201


def test_a_client_with_trusts_gets_no_first_secret(admin: AdminApi, deployment: Deployment):
    trusted(deployment, CLUSTER)
    created = admin.post("/clients", client_id="pod", trusts=[trust()])
    assert "client_secret" not in created.json()
    assert created.json()["trusts"] == [{**trust(), "audience": None, "claims": {}, "once": False}]


def test_one_on_which_clients_rely_is_deleted_only_with_their_trusts(
    admin: AdminApi, deployment: Deployment
):
    trusted(deployment, CLUSTER)
    trusted(deployment, CLUSTER, id="cluster-2")
    deployment.client("pod", trusts=[trust(), trust(issuer="cluster-2")])
    refused = admin.delete("/trusted-issuers/cluster")
    assert problem(refused) == (409, "in-use")
    assert refused.json()["used_by"] == ["client pod"]
    assert admin.delete("/trusted-issuers/cluster?cascade=true").status_code == 204
    (left,) = admin.get("/clients/pod").json()["trusts"]
    assert left["issuer"] == "cluster-2"


@pytest.fixture
def writer(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    """It may change clients and trusted issuers, but not what has rights at the issuer."""
    scopes = ["issuer:clients:write", "issuer:trusted-issuers:write"]
    client = deployment.client("writer", scopes=scopes, audiences=[URL])
    return AdminApi(deployment.http, token_endpoint.client_credentials(client).token)


@pytest.mark.parametrize(
    ("method", "path", "members"),
    [
        ("PATCH", "/clients/privileged", {"trusts": [trust()]}),
        ("PATCH", "/clients/by-role", {"trusts": []}),
        ("PATCH", "/clients/here", {"trusts": [trust()]}),
        ("POST", "/clients", {"client_id": "new", "audiences": [URL], "trusts": [trust()]}),
        ("PATCH", "/trusted-issuers/cluster", {"keys": {"jwks": OtherIssuer.new().jwks}}),
        (
            "PATCH",
            "/trusted-issuers/cluster",
            {"keys": {"jwks": None, "jwks_uri": "https://a.example/"}},
        ),
        ("PATCH", "/trusted-issuers/cluster", {"issuer": "https://a.example"}),
        ("PATCH", "/trusted-issuers/cluster", {"ca_certificate": CA}),
        ("PATCH", "/trusted-issuers/cluster", {"disabled": True}),
        ("DELETE", "/trusted-issuers/cluster?cascade=true", None),
        ("PUT", "/clients/plain/roles/key-readers?everywhere=true", None),
    ],
)
def test_nobody_reaches_rights_at_the_issuer_by_trusts(
    writer: AdminApi,
    admin: AdminApi,
    deployment: Deployment,
    method: str,
    path: str,
    members: dict[str, Any] | None,
):
    """Only `issuer:admin` may change what privileged clients rely on."""
    trusted(deployment, CLUSTER)
    deployment.role("key-readers", ["issuer:keys:read"])
    deployment.client("privileged", scopes=["issuer:keys:read"], audiences=[URL])
    deployment.client("by-role", roles=["key-readers"], trusts=[trust()])
    deployment.client("here", audiences=[URL])
    deployment.client("plain", trusts=[trust()])
    request = {} if members is None else {"json": members}
    refused = writer(method, path, **request)
    assert problem(refused) == (403, "forbidden")
    assert "issuer:admin" in refused.json()["detail"]
    assert admin(method, path, **request).status_code < 300


def test_nobody_takes_the_id_of_an_issuer_on_which_a_privileged_client_still_relies(
    writer: AdminApi, admin: AdminApi, deployment: Deployment
):
    """A deletion and a new trust at the same moment may leave a trust that names nothing."""
    trusted(deployment, CLUSTER)
    scopes = ["issuer:keys:read"]
    deployment.client("privileged", scopes=scopes, audiences=[URL], trusts=[trust()])
    with deployment.services.database.transaction() as session:
        session.execute(delete(TrustedIssuerRow))
    new = {**VALID, "id": "cluster"}
    assert problem(writer.post("/trusted-issuers", **new)) == (403, "forbidden")
    assert admin.post("/trusted-issuers", **new).status_code == 201


def test_an_issuer_that_only_plain_clients_trust_needs_no_admin(
    writer: AdminApi, deployment: Deployment
):
    trusted(deployment, CLUSTER)
    deployment.client("plain", trusts=[trust()])
    assert writer.patch("/clients/plain", trusts=[]).status_code == 200
    assert writer.patch("/trusted-issuers/cluster", disabled=True).status_code == 200
    assert writer.delete("/trusted-issuers/cluster").status_code == 204


def test_the_scopes_of_trusted_issuers_are_their_own(deployment: Deployment):
    work = deployment.services.administration.changing
    with pytest.raises(Forbidden), work(OPERATOR, {"issuer:clients:write"}) as changing:
        changing.authority.require("issuer:trusted-issuers:write")


def test_a_client_that_registered_itself_trusts_nobody(deployment: Deployment):
    from issuer.clients.clients import require_no_rights  # noqa: PLC0415

    fields = ClientFields.read({"trusts": [trust()], "user_rights": "all"})
    with pytest.raises(InvalidField, match="trusts"):
        require_no_rights(fields)


def test_deleting_names_who_relies_on_it(deployment: Deployment):
    trusted(deployment, CLUSTER)
    deployment.client("pod", trusts=[trust()])
    with pytest.raises(InUse), deployment.changing() as work:
        work.trusted_issuers.delete("cluster")


def test_fields_keep_what_was_declared():
    fields = TrustedIssuerFields.read({**VALID, "keys": {"jwks": CLUSTER.jwks}})
    assert TrustedIssuerFields.read(fields.model_dump(mode="json")) == fields


def test_only_an_admin_lets_keys_be_fetched_from_private_addresses(deployment: Deployment):
    """Also by changing what is fetched from there, and by enabling it again."""
    administration = deployment.services.administration
    inside = {**VALID, "issuer": "https://10.0.0.1", "allow_private_addresses": True}
    with deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read({**inside, "disabled": True}))
        work.trusted_issuers.create(TrustedIssuerFields.read({**VALID, "id": "outside"}))

    def change(issuer_id: str, **patch: Any) -> None:
        with administration.changing(OPERATOR, held={"issuer:trusted-issuers:write"}) as work:
            work.trusted_issuers.update(issuer_id, patch)

    for issuer_id, patch in [
        ("outside", {"allow_private_addresses": True}),
        ("cluster", {"keys": {"discovery": None, "jwks_uri": "https://10.0.0.2/keys"}}),
        ("cluster", {"disabled": False}),
    ]:
        with pytest.raises(Forbidden, match="issuer:admin"):
            change(issuer_id, **patch)
    change("cluster", algorithms=["ES256"])
    change("cluster", allow_private_addresses=False, issuer=CLUSTER.issuer)
