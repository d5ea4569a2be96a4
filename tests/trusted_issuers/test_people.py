"""Trusted issuers where people sign in: their definition, their secret, and what it gives."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from issuer import manifest
from issuer.database.tables import AuditEventRow, TrustedIssuerRow
from issuer.errors import ConfigurationError, InUse, InvalidField, NotAllowed
from issuer.manifest import InvalidManifest
from issuer.provisioning.setup import change_master_key
from issuer.trusted_issuers import TrustedIssuerFields
from issuer.trusted_issuers.people_presets import PROVIDERS, preset
from issuer.trusted_issuers.trusted_issuers import TrustedIssuers
from tests.builders import OPERATOR, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.manifest.declaring import declare, exported, planned
from tests.oauth.refreshing import events
from tests.people_of_others import COMPANY, Company, company, helpdesk, people
from tests.rows import rows
from tests.trusting import OtherIssuer

SECRET = "a-secret-of-the-company"
OTHER = OtherIssuer.new(COMPANY, "ES256")
MEMBERS = people(OTHER)


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    token = token_endpoint.client_credentials(deployment.admin).token
    return AdminApi(deployment.http, token)


def with_sign_in(**members: Any) -> dict[str, Any]:
    return {**MEMBERS, "sign_in": {**MEMBERS["sign_in"], **members}}


def secret_of(deployment: Deployment, issuer_id: str = "company") -> str | None:
    record = deployment.services.tokens.directory.trusted_issuer(issuer_id)
    assert record is not None
    assert record.sign_in is not None
    box = record.sign_in.sealed_secret
    return box and deployment.services.factors.provider_secrets.open(issuer_id, box)


def test_the_admin_api_shows_all_but_the_secret(admin: AdminApi, deployment: Deployment):
    created = admin.post("/trusted-issuers", **with_sign_in(client_secret=SECRET))
    assert created.status_code == 201, created.text
    assert created.json()["sign_in"] == {
        "client_id": "issuer",
        "name": "",
        "shown": True,
        "scopes": ["openid", "profile", "email"],
        "username_claim": "preferred_username",
        "groups_claim": "groups",
        "roles": [],
        "provision": False,
        "required_claims": {},
        "only": False,
        "id_jag": False,
        "sign_out": True,
    }
    assert secret_of(deployment) == SECRET


def test_the_secret_is_nowhere_but_sealed(admin: AdminApi, deployment: Deployment):
    made = admin.post("/trusted-issuers", **with_sign_in(client_secret=SECRET))
    read = admin.get("/trusted-issuers/company")
    listed = admin.get("/trusted-issuers")
    patched = admin.patch("/trusted-issuers/company", sign_in={"client_secret": SECRET + "2"})
    assert secret_of(deployment) == SECRET + "2"
    with deployment.services.database.reading() as session:
        audited = [json.dumps(row.details) for row in session.scalars(select(AuditEventRow))]
        row = session.get_one(TrustedIssuerRow, "company")
        stored = repr({c.key: getattr(row, c.key) for c in TrustedIssuerRow.__table__.columns})
    text = exported(deployment.services)
    record = repr(deployment.services.tokens.directory.trusted_issuer("company"))
    texts = [made.text, read.text, listed.text, patched.text, *audited, stored, text, record]
    assert not [each for each in texts if SECRET in each]
    assert len(events(deployment, "trusted_issuer.secret_set")) == 2


def test_a_change_without_the_secret_keeps_it(admin: AdminApi, deployment: Deployment):
    """Null, as an empty one, removes it."""
    admin.post("/trusted-issuers", **with_sign_in(client_secret=SECRET))
    for patch in ({"disabled": True}, {"sign_in": {"provision": True}}, {"sign_in": {}}):
        assert admin.patch("/trusted-issuers/company", **patch).status_code == 200
        assert secret_of(deployment) == SECRET
    admin.patch("/trusted-issuers/company", sign_in={"client_secret": None})
    assert secret_of(deployment) is None
    admin.patch("/trusted-issuers/company", sign_in={"client_secret": SECRET})
    admin.patch("/trusted-issuers/company", sign_in={"client_secret": ""})
    assert secret_of(deployment) is None
    assert len(events(deployment, "trusted_issuer.secret_removed")) == 2


def test_a_secret_opens_for_its_own_issuer_alone(deployment: Deployment):
    secrets = deployment.services.factors.provider_secrets
    box = secrets.seal("company", SECRET)
    assert secrets.open("company", box) == SECRET
    with pytest.raises(ConfigurationError, match="company2 cannot be opened"):
        secrets.open("company2", box)


@rows(
    ("members", "field"),
    [
        ({"sign_in": None}, "sign_in"),
        ({"kinds": ["workload"]}, "sign_in"),
        ({"issuer": "spiffe://prod", "keys": {"jwks_uri": "https://a.example"}}, "kinds"),
        (with_sign_in(client_id=""), "sign_in.client_id"),
        (with_sign_in(client_id=" a"), "sign_in.client_id"),
        (with_sign_in(client_secret="é"), "sign_in.client_secret"),
        (with_sign_in(client_secret="a\nb"), "sign_in.client_secret"),
        (with_sign_in(client_secret=7), "sign_in.client_secret"),
        (with_sign_in(scopes=[]), "sign_in.scopes"),
        (with_sign_in(scopes=["a b"]), "sign_in.scopes.0"),
        (with_sign_in(username_claim=""), "sign_in.username_claim"),
        (with_sign_in(groups_claim="\u202e"), "sign_in.groups_claim"),
        (with_sign_in(provision="true"), "sign_in.provision"),
        (with_sign_in(required_claims=["hd"]), "sign_in.required_claims"),
        (with_sign_in(required_claims={"a": "\0"}), "sign_in.required_claims"),
        (with_sign_in(required_claims={"a": "x" * 3_000}), "sign_in.required_claims"),
        (with_sign_in(roles=[{"group": "", "role": "runner"}]), "sign_in.roles.0.group"),
        (with_sign_in(roles=[{"group": "g"}]), "sign_in.roles.0.role"),
        (with_sign_in(roles=[{"group": "g", "role": "nobody"}]), "sign_in.roles"),
        (with_sign_in(unknown=True), "sign_in.unknown"),
    ],
)
def test_wrong_members_are_refused_naming_them(
    admin: AdminApi, members: dict[str, Any], field: str
):
    refused = admin.post("/trusted-issuers", **{**MEMBERS, **members})
    assert problem(refused) == (422, "invalid-fields")
    assert refused.json()["errors"][0]["field"] == field
    assert SECRET not in refused.text


def test_one_iss_is_one_place_where_people_sign_in(deployment: Deployment):
    """And at most one is the only way to sign in."""
    company(deployment, OTHER, only=True)
    with pytest.raises(InvalidField, match="company"):
        company(deployment, OTHER, issuer_id="again")
    with pytest.raises(InvalidField, match="only"):
        company(deployment, OtherIssuer.new("https://b.example", "ES256"), "b", only=True)


def test_it_may_be_for_workloads_too(deployment: Deployment):
    here = company(deployment, OTHER)
    here.change(kinds=["workload", "people"])
    here.change(kinds=["workload"], sign_in=None)
    record = here.record
    assert (record.sign_in, record.is_for_workloads, record.is_for_people) == (None, True, False)


def test_one_whose_keys_others_chose_is_not_where_people_sign_in(deployment: Deployment):
    """Also one that an admin made and others changed; an admin's own may be both."""
    members = people(OTHER)
    sign_in = {name: members.pop(name) for name in ("kinds", "sign_in")}
    fields = [
        TrustedIssuerFields.read({**members, "id": each}) for each in ("theirs", "ours", "changed")
    ]
    writing = helpdesk(deployment, ["issuer:trusted-issuers:write"])
    with writing() as work:
        work.trusted_issuers.create(fields[0])
    with deployment.changing() as work:
        for each in fields[1:]:
            work.trusted_issuers.create(each)
    with writing() as work:
        work.trusted_issuers.update(
            "changed", {"keys": {"jwks": OtherIssuer.new(COMPANY, "ES256").jwks}}
        )
    for each in ("theirs", "changed"):
        with pytest.raises(NotAllowed, match="helper made or changed"), deployment.changing() as w:
            w.trusted_issuers.update(each, sign_in)
    with deployment.changing() as work:
        work.trusted_issuers.update("ours", sign_in)


class TestRoles:
    @pytest.fixture
    def here(self, deployment: Deployment) -> Company:
        deployment.role("runner", ["agents:run"])
        roles = [{"group": "engineers", "role": "runner", "audience": "my-os"}]
        return company(deployment, roles=roles)

    def test_a_mapped_role_and_its_audience_are_in_use(self, here: Company):
        with pytest.raises(InUse, match="trusted issuer company"), here.deployment.changing() as w:
            w.roles.delete("runner")
        with pytest.raises(InUse, match="trusted issuer company"), here.deployment.changing() as w:
            w.audiences.delete("my-os")
        with here.deployment.changing() as work:
            work.roles.delete("runner", cascade=True)
            assert self._sign_in(work.trusted_issuers).roles == []

    @staticmethod
    def _sign_in(trusted_issuers: TrustedIssuers) -> Any:
        return trusted_issuers.get("company").sign_in


@rows(
    ("name", "value", "iss", "sign_in"),
    [
        (
            "entra",
            "8F2C1D7E-0000-4000-8000-0123456789AB",
            "https://login.microsoftonline.com/8f2c1d7e-0000-4000-8000-0123456789ab/v2.0",
            {"required_claims": {"tid": "8f2c1d7e-0000-4000-8000-0123456789ab"}},
        ),
        ("okta", "acme.okta.com", "https://acme.okta.com", {"groups_claim": "groups"}),
        (
            "google",
            "acme.example",
            "https://accounts.google.com",
            {"required_claims": {"hd": "acme.example"}, "username_claim": "email"},
        ),
        ("keycloak", "https://sso.example/realms/a/", "https://sso.example/realms/a", {}),
        (
            "authentik",
            "https://sso.example/application/o/issuer",
            "https://sso.example/application/o/issuer/",
            {},
        ),
        (
            "github",
            "acme",
            "https://github.com",
            {"required_claims": {"groups": "acme"}, "username_claim": "login"},
        ),
        ("agentos_issuer", "https://id.other.example", "https://id.other.example", {}),
    ],
)
def test_presets_are_exact_and_valid(name: str, value: str, iss: str, sign_in: dict[str, Any]):
    found = preset({name: value})
    assert found is not None
    assert found.issuer == iss
    assert found.sign_in | sign_in == found.sign_in
    members = {"id": name, "issuer": iss, "keys": {"discovery": True}, "kinds": ["people"]}
    TrustedIssuerFields.read(members | {"sign_in": {"client_id": "a", **found.sign_in}})


@rows(
    ("given", "field"),
    [
        ({"entra": "acme.onmicrosoft.com"}, "entra"),
        ({"okta": "https://acme.okta.com"}, "okta"),
        ({"google": "*"}, "google"),
        ({"keycloak": "https://sso.example"}, "keycloak"),
        ({"authentik": "https://sso.example"}, "authentik"),
        ({"github": "acme/platform"}, "github"),
        ({"github": "acme", "okta": "acme.okta.com"}, "github"),
    ],
)
def test_what_is_no_customer_of_a_provider_is_refused(given: dict[str, str], field: str):
    with pytest.raises(InvalidField) as refused:
        preset(given)
    assert refused.value.field in {field, *given}
    assert set(given) <= set(PROVIDERS)


class TestManifest:
    TEXT = f"""
roles:
  - name: runner
    scopes: ["agents:run"]
trusted_issuers:
  - id: company
    issuer: {COMPANY}
    keys: {{discovery: true}}
    kinds: [people]
    sign_in:
      client_id: issuer
      groups_claim: groups
      roles:
        - {{group: engineers, role: runner, audience: my-os}}
"""

    def test_it_declares_all_but_the_secret_which_stays(
        self, deployment: Deployment, admin: AdminApi
    ):
        """A role of the same manifest is there before it is mapped."""
        declare(deployment.services, self.TEXT)
        admin.patch("/trusted-issuers/company", sign_in={"client_secret": SECRET})
        assert not planned(deployment.services, self.TEXT)
        declare(deployment.services, self.TEXT.replace("groups_claim: groups", "provision: true"))
        assert secret_of(deployment) == SECRET
        text = exported(deployment.services)
        assert "provision: true" in text
        assert not planned(deployment.services, text, prune=True)

    def test_a_secret_in_a_manifest_is_refused(self, deployment: Deployment):
        text = self.TEXT.replace(
            "client_id: issuer", f"client_id: issuer\n      client_secret: {SECRET}"
        )
        with pytest.raises(InvalidManifest) as refused:
            declare(deployment.services, text)
        assert "may not have client_secret in a manifest" in str(refused.value)
        assert SECRET not in str(refused.value)

    def test_what_it_maps_must_exist_and_stay(self, deployment: Deployment):
        with pytest.raises(InvalidManifest, match="no role 'walker'"):
            declare(deployment.services, self.TEXT.replace("role: runner", "role: walker"))
        declare(deployment.services, self.TEXT)
        with pytest.raises(InUse, match="trusted issuer company"):
            declare(deployment.services, "roles: []", prune=True)
        declare(deployment.services, "roles: []\ntrusted_issuers: []", prune=True)

    def test_the_schema_is_of_json(self):
        assert json.dumps(manifest.schema())


def test_the_secret_survives_a_change_of_the_master_key(deployment: Deployment):
    """It is sealed under a key that is itself sealed: only that one is rewrapped."""
    with deployment.changing() as work:
        members = with_sign_in(client_secret=SECRET)
        work.trusted_issuers.create(TrustedIssuerFields.read(members))
    change_master_key(deployment.services.settings, OPERATOR)
    assert secret_of(deployment) == SECRET
