"""Changes that concern rights at the issuer itself: by the admin API and by forms of the console.

One table, so that neither interface allows what the other refuses.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from issuer.clients.trust import Trust
from issuer.sign_in import InvitationFields
from tests.builders import URL, Deployment
from tests.issuers import with_my_os
from tests.oauth.asserting import AssertingClient
from tests.people_of_others import COMPANY, company, people
from tests.trusting import CLUSTER, OtherIssuer, trust, trusted

CLIENTS, ROLES, USERS = "/console/clients", "/console/roles", "/console/users"
GROUPS = "/console/groups"
TRUSTED_ISSUERS = "/console/trusted-issuers"
_WRITTEN = ("audiences", "roles", "clients", "users", "groups", "keys", "trusted-issuers")
WRITE = tuple(f"issuer:{name}:write" for name in _WRITTEN)
_SAVE = {
    "do": "save",
    "version": "1",
    "confirmed": "yes",
    "client_credentials": "yes",
    "token_endpoint_auth_method": "client_secret_basic",
    "user_rights": "own",
}
_SAVE_APP = {
    **_SAVE,
    "audiences": URL,
    "authorization_code": "yes",
    "redirect_uris": "https://app.example/callback",
    "require_pkce": "yes",
}
ELSEWHERE = {
    "issuer": "https://login.elsewhere.example",
    "resource": "https://elsewhere.example/mcp",
    "client_id": "ours",
    "scopes": ["tools:call"],
}
KEYS = AssertingClient.new("any").jwks
_APPLY = {"do": "apply", "version": "1"}
_CLUSTER = OtherIssuer.new(alg="ES256")
_PLAIN = OtherIssuer.new("https://plain.example", "ES256")
_COMPANY = OtherIssuer.new(COMPANY, "ES256")
_OTHER_COMPANY = OtherIssuer.new("https://login.other.example", "ES256")
_TRUST = Trust.read(trust())
_ADD_TRUST = {
    **{"do": "add-trust", "kind": "oidc", "issuer": "cluster", "oidc": "anybody"},
    "confirmed": "yes",
}


@dataclass(frozen=True)
class Way:
    """A request to the admin API, and a form that does the same on the page `screen`.

    `screen` is empty for what the console has no form for.
    """

    method: str
    path: str
    members: dict[str, Any] | None = None
    screen: str = ""
    form: dict[str, str] = field(default_factory=dict)

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of httpx for the admin API."""
        return {} if self.members is None else {"json": self.members}


# In an order in which an admin can do them one after the other.
GAINS: dict[str, Way] = {
    "resources of an audience, where its tokens are sent": Way(
        "PATCH", "/audiences/my-os", {"resources": ["https://evil.example/mcp"]},
        "/console/audiences/my-os",
        {**_SAVE, "signing_alg": "ES256", "resources": "https://evil.example/mcp"},
    ),
    "direct scopes of a new client": Way(
        "POST", "/clients", {"client_id": "new", "scopes": ["issuer:admin"]},
        CLIENTS, {"client_id": "new", "scopes": "issuer:admin"},
    ),
    "a scope the caller holds": Way(
        "POST", "/clients", {"client_id": "new", "scopes": ["issuer:keys:write"]},
        CLIENTS, {"client_id": "new", "scopes": "issuer:keys:write"},
    ),
    "a new client at the issuer": Way(
        "POST", "/clients", {"client_id": "new", "audiences": [URL]},
        CLIENTS, {"client_id": "new", "audiences": URL},
    ),
    "direct scopes of a client": Way(
        "PATCH", "/clients/plain", {"scopes": ["issuer:keys:read"]},
        f"{CLIENTS}/plain", {**_SAVE, "audiences": "my-os", "scopes": "issuer:keys:read"},
    ),
    "the issuer as audience": Way(
        "PATCH", "/clients/plain", {"audiences": ["my-os", URL]},
        f"{CLIENTS}/plain", {**_SAVE, "audiences": f"my-os {URL}"},
    ),
    "changing a privileged client": Way(
        "PATCH", "/clients/privileged", {"name": "x"},
        f"{CLIENTS}/privileged",
        {**_SAVE, "audiences": f"shared {URL}", "scopes": "issuer:keys:read", "name": "x"},
    ),
    "removing the rights of a privileged client": Way(
        "PATCH", "/clients/privileged", {"scopes": [], "audiences": []},
        f"{CLIENTS}/privileged", _SAVE,
    ),
    "enabling a disabled client": Way(
        "PATCH", "/clients/privileged", {"disabled": False},
        f"{CLIENTS}/privileged", {"do": "enable"},
    ),
    "disabling a client": Way(
        "PATCH", "/clients/privileged", {"disabled": True},
        f"{CLIENTS}/privileged", {"do": "disable", "confirmed": "yes"},
    ),
    "claims of a privileged client": Way(
        "PATCH", "/clients/privileged", {"claims": {"a": 1}},
        f"{CLIENTS}/privileged",
        {**_SAVE, "audiences": f"shared {URL}", "scopes": "issuer:keys:read", "claims": '{"a": 1}'},
    ),
    "a client with a role": Way(
        "PATCH", "/clients/by-role", {"audiences": [URL]},
        f"{CLIENTS}/by-role", {**_SAVE, "audiences": URL},
    ),
    "the name of a client with a role": Way(
        "PATCH", "/clients/by-role", {"name": "x"},
        f"{CLIENTS}/by-role", {**_SAVE, "audiences": "my-os", "name": "x"},
    ),
    "a client of the issuer audience": Way(
        "PATCH", "/clients/mere-audience", {"name": "x"},
        f"{CLIENTS}/mere-audience", {**_SAVE, "audiences": f"my-os {URL}", "name": "x"},
    ),
    "where an application of admins returns": Way(
        "PATCH", "/clients/admins-app", {"redirect_uris": ["https://evil.example/"]},
        f"{CLIENTS}/admins-app", {**_SAVE_APP, "redirect_uris": "https://evil.example/"},
    ),
    "whether admins are asked to allow it": Way(
        "PATCH", "/clients/admins-app", {"first_party": True},
        f"{CLIENTS}/admins-app", {**_SAVE_APP, "first_party": "yes"},
    ),
    "what admins may do through it": Way(
        "PATCH", "/clients/admins-app", {"user_rights": "all"},
        f"{CLIENTS}/admins-app", {**_SAVE_APP, "user_rights": "all"},
    ),
    "an application that needs no secret": Way(
        "PATCH", "/clients/admins-app",
        {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code"]},
        f"{CLIENTS}/admins-app",
        {
            name: value
            for name, value in {**_SAVE_APP, "token_endpoint_auth_method": "none"}.items()
            if name != "client_credentials"
        },
    ),
    "another client's secret": Way(
        "POST", "/clients/privileged/secrets", {},
        f"{CLIENTS}/privileged", {"do": "create-secret"},
    ),
    "the secret of a client with a role": Way(
        "POST", "/clients/by-role/secrets", {},
        f"{CLIENTS}/by-role", {"do": "create-secret"},
    ),
    "a privileged client's keys": Way(
        "PATCH", "/clients/privileged", {"jwks": KEYS},
        f"{CLIENTS}/privileged",
        {
            **_SAVE,
            **{"audiences": f"shared {URL}", "scopes": "issuer:keys:read"},
            "jwks": json.dumps(KEYS),
        },
    ),
    "the keys of a client with a role": Way(
        "PATCH", "/clients/by-role", {"jwks": KEYS},
        f"{CLIENTS}/by-role", {**_SAVE, "audiences": "my-os", "jwks": json.dumps(KEYS)},
    ),
    "the keys of a client of the issuer audience": Way(
        "PATCH", "/clients/mere-audience", {"jwks_uri": "https://app.example/jwks"},
        f"{CLIENTS}/mere-audience",
        {**_SAVE, "audiences": f"my-os {URL}", "jwks_uri": "https://app.example/jwks"},
    ),
    "a new client with keys at the issuer": Way(
        "POST", "/clients", {"client_id": "new", "audiences": [URL], "jwks": KEYS},
        CLIENTS, {"client_id": "new", "audiences": URL, "jwks": json.dumps(KEYS)},
    ),
    "one more key of a privileged client": Way(
        "PATCH", "/clients/privileged", {"jwks": AssertingClient.new("any").jwks},
        f"{CLIENTS}/privileged", {"do": "add-key", "key": json.dumps(_CLUSTER.jwk)},
    ),
    "deleting a key of a privileged client": Way(
        "PATCH", "/clients/trusting", {"jwks": None},
        f"{CLIENTS}/trusting", {"do": "delete-key", "kid": "k1", "confirmed": "yes"},
    ),
    "the trusts of a privileged client": Way(
        "PATCH", "/clients/privileged", {"trusts": [trust()]},
        f"{CLIENTS}/privileged", _ADD_TRUST,
    ),
    "the trusts of a client with a role": Way(
        "PATCH", "/clients/by-role", {"trusts": [trust()]},
        f"{CLIENTS}/by-role", _ADD_TRUST,
    ),
    "the trusts of a client of the issuer audience": Way(
        "PATCH", "/clients/mere-audience", {"trusts": [trust()]},
        f"{CLIENTS}/mere-audience", _ADD_TRUST,
    ),
    "where a privileged client acts for people": Way(
        "PATCH", "/clients/privileged", {"may_act": [{"from": "my-os", "to": "shared"}]},
        f"{CLIENTS}/privileged",
        {
            **{**_SAVE, "audiences": f"shared {URL}", "scopes": "issuer:keys:read"},
            "may_act": "my-os=shared",
        },
    ),
    "where a client of the issuer audience acts for people": Way(
        "PATCH", "/clients/mere-audience", {"may_act": [{"from": "shared", "to": "my-os"}]},
        f"{CLIENTS}/mere-audience",
        {**_SAVE, "audiences": f"my-os {URL}", "may_act": "shared=my-os"},
    ),
    "where a client with a role acts for people elsewhere": Way(
        "PATCH", "/clients/by-role", {"external_audiences": [ELSEWHERE]},
        f"{CLIENTS}/by-role",
        {**_SAVE, "audiences": "my-os", "external_audiences": json.dumps(ELSEWHERE)},
    ),
    "a trusted issuer of a privileged client": Way(
        "PATCH", "/trusted-issuers/cluster", {"algorithms": ["ES256", "RS256"]},
        f"{TRUSTED_ISSUERS}/cluster",
        {
            **{"do": "save", "version": "1", "issuer": CLUSTER, "ES256": "yes", "RS256": "yes"},
            **{"source": "jwks", "jwks": json.dumps(_CLUSTER.jwks)},
        },
    ),
    "disabling a trusted issuer of a privileged client": Way(
        "PATCH", "/trusted-issuers/cluster", {"disabled": True},
        f"{TRUSTED_ISSUERS}/cluster", {"do": "disable", "confirmed": "yes"},
    ),
    "enabling a trusted issuer of a privileged client": Way(
        "PATCH", "/trusted-issuers/cluster", {"disabled": False},
        f"{TRUSTED_ISSUERS}/cluster", {"do": "enable"},
    ),
    "changing a trust of a privileged client": Way(
        "PATCH", "/clients/trusting", {"trusts": [trust(once=True)]},
        f"{CLIENTS}/trusting",
        {
            **{"do": "save-trust", "trust": _TRUST.model_dump_json(), "confirmed": "yes"},
            **{"issuer": "cluster", "subject": _TRUST.subject, "once": "yes"},
        },
    ),
    "removing a trust of a privileged client": Way(
        "PATCH", "/clients/trusting", {"trusts": []},
        f"{CLIENTS}/trusting",
        {
            **{"do": "remove-trust", "confirmed": "yes"},
            "trust": _TRUST.model_copy(update={"once": True}).model_dump_json(),
        },
    ),
    "a trusted issuer with private addresses": Way(
        "POST", "/trusted-issuers",
        {
            **{"id": "inside", "issuer": "https://inside.example", "keys": {"discovery": True}},
            "allow_private_addresses": True,
        },
        TRUSTED_ISSUERS,
        {
            **{"id": "inside", "issuer": "https://inside.example", "source": "discovery"},
            **{"RS256": "yes", "allow_private_addresses": "yes"},
        },
    ),
    "a trusted issuer where people sign in": Way(
        "POST", "/trusted-issuers", {**people(_OTHER_COMPANY), "id": "other"},
        TRUSTED_ISSUERS,
        {
            **{"id": "other", "issuer": "https://other.test", "ES256": "yes", "purpose": "people"},
            **{"source": "jwks", "jwks": json.dumps(_OTHER_COMPANY.jwks), "client_id": "issuer"},
            **{"scopes": "openid", "username_claim": "sub"},
        },
    ),
    "a trusted issuer that becomes one where people sign in": Way(
        "PATCH", "/trusted-issuers/plain-issuer",
        {"kinds": ["workload", "people"], "sign_in": {"client_id": "issuer"}},
        f"{TRUSTED_ISSUERS}/plain-issuer",
        {
            **{"do": "save", "version": "1", "issuer": _PLAIN.issuer, "ES256": "yes"},
            **{"source": "jwks", "jwks": json.dumps(_PLAIN.jwks), "client_id": "issuer"},
            **{"purpose": "both", "scopes": "openid", "username_claim": "sub"},
        },
    ),
    "who may come from where people sign in": Way(
        "PATCH", "/trusted-issuers/company", {"sign_in": {"provision": True}},
        f"{TRUSTED_ISSUERS}/company",
        {
            **{"do": "save", "version": "1", "issuer": _COMPANY.issuer, "ES256": "yes"},
            **{"source": "jwks", "jwks": json.dumps(_COMPANY.jwks), "client_id": "issuer"},
            **{"purpose": "people", "scopes": "openid", "username_claim": "sub"},
            "provision": "yes",
        },
    ),
    "disabling a trusted issuer where people sign in": Way(
        "PATCH", "/trusted-issuers/company", {"disabled": True},
        f"{TRUSTED_ISSUERS}/company", {"do": "disable", "confirmed": "yes"},
    ),
    "an account of a user with rights": Way(
        "POST", "/users/alice/identities", {"issuer": "company", "subject": "s-mallory"},
        f"{USERS}/alice", {"do": "add-identity", "issuer": "company", "subject": "s-mallory"},
    ),
    "deleting a trusted issuer of a privileged client": Way(
        "DELETE", "/trusted-issuers/cluster?cascade=true", None,
        f"{TRUSTED_ISSUERS}/cluster",
        {"do": "delete", "cascade": "yes", "confirmed": "yes", "typed": "cluster"},
    ),
    "an assignment to a client with keys": Way(
        "PUT", "/clients/with-keys/roles/key-readers?everywhere=true", None,
        f"{CLIENTS}/with-keys",
        {"do": "assign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "a rotation of a secret": Way(
        "POST", "/clients/privileged/rotation", None,
        f"{CLIENTS}/privileged", {"do": "start-rotation"},
    ),
    "cancelling a rotation": Way(
        "DELETE", "/clients/in-rotation/rotation", None,
        f"{CLIENTS}/in-rotation", {"do": "cancel-rotation", "confirmed": "yes"},
    ),
    "the tokens of a client": Way(
        "POST", "/clients/privileged/revoke-tokens", None,
        f"{CLIENTS}/privileged", {"do": "revoke-tokens", "confirmed": "yes"},
    ),
    "deleting a privileged client": Way(
        "DELETE", "/clients/privileged", None,
        f"{CLIENTS}/privileged", {"do": "delete", "confirmed": "yes", "typed": "privileged"},
    ),
    "a user's password": Way(
        "PUT", "/users/alice/password", {"password": "a new password of hers"},
    ),
    "a user's lock": Way(
        "POST", "/users/alice/unlock", None,
        f"{USERS}/alice", {"do": "unlock"},
    ),
    "a user's invitation": Way(
        "POST", "/users/alice/invitation", {},
        f"{USERS}/alice", {"do": "invite"},
    ),
    "withdrawing a user's invitation": Way(
        "DELETE", "/users/alice/invitation", None,
        f"{USERS}/alice", {"do": "withdraw-invitation", "confirmed": "yes"},
    ),
    "a user's second factors": Way(
        "DELETE", "/users/alice/factors", None,
        f"{USERS}/alice", {"do": "reset-factors", "confirmed": "yes"},
    ),
    "a user's tokens": Way(
        "POST", "/users/alice/revoke-tokens", None,
        f"{USERS}/alice", {"do": "revoke-tokens", "confirmed": "yes"},
    ),
    "a user's state": Way(
        "PATCH", "/users/alice", {"disabled": True},
        f"{USERS}/alice", {"do": "disable", "confirmed": "yes"},
    ),
    "enabling a user": Way(
        "PATCH", "/users/alice", {"disabled": False},
        f"{USERS}/alice", {"do": "enable"},
    ),
    "a user's name": Way(
        "PATCH", "/users/alice", {"username": "mallory"},
        f"{USERS}/alice", {"do": "save", "version": "1", "username": "mallory"},
    ),
    "a user's claims": Way(
        "PATCH", "/users/alice", {"claims": {"a": 1}},
        f"{USERS}/alice",
        {"do": "save", "version": "1", "username": "alice", "claims": '{"a": 1}'},
    ),
    "a new role's contents": Way(
        "POST", "/roles", {"name": "new", "scopes": ["issuer:admin"]},
        ROLES, {"do": "force", "name": "new", "scopes": "issuer:admin"},
    ),
    "a role's contents": Way(
        "PATCH", "/roles/plain", {"scopes": ["issuer:keys:read"]},
        f"{ROLES}/plain", {**_APPLY, "scopes": "issuer:keys:read"},
    ),
    "a privileged role's contents": Way(
        "PATCH", "/roles/key-readers", {"scopes": []},
        f"{ROLES}/key-readers", _APPLY,
    ),
    "an assignment here": Way(
        "PUT", f"/clients/plain/roles/key-readers?audience={URL}", None,
        f"{CLIENTS}/plain",
        {"do": "assign-role", "role": "key-readers", "audience": URL, "confirmed": "yes"},
    ),
    "an assignment everywhere": Way(
        "PUT", "/clients/plain/roles/key-readers?everywhere=true", None,
        f"{CLIENTS}/plain",
        {"do": "assign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "unassigning a role from a client": Way(
        "DELETE", "/clients/by-role/roles/key-readers?everywhere=true", None,
        f"{CLIENTS}/by-role",
        {"do": "unassign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "an assignment to a user": Way(
        "PUT", "/users/bob/roles/key-readers?everywhere=true", None,
        f"{USERS}/bob",
        {"do": "assign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "a user's existence": Way(
        "DELETE", "/users/carol", None,
        f"{USERS}/carol", {"do": "delete", "confirmed": "yes", "typed": "carol"},
    ),
    "unassigning a role": Way(
        "DELETE", "/users/alice/roles/key-readers?everywhere=true", None,
        f"{USERS}/alice",
        {"do": "unassign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "an assignment to a group": Way(
        "PUT", "/groups/plain-group/roles/key-readers?everywhere=true", None,
        f"{GROUPS}/plain-group",
        {"do": "assign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "a member of a group": Way(
        "PUT", "/groups/readers/members/bob", None,
        f"{GROUPS}/readers", {"do": "add-members", "users": "bob", "confirmed": "yes"},
    ),
    "another member of a group": Way(
        "PUT", "/groups/readers/members/intruder", None,
        f"{GROUPS}/readers", {"do": "add-members", "users": "intruder", "confirmed": "yes"},
    ),
    "removing a member of a group": Way(
        "DELETE", "/groups/readers/members/gail", None,
        f"{GROUPS}/readers", {"do": "remove-member", "user_id": "gail", "confirmed": "yes"},
    ),
    "the name of a group": Way(
        "PATCH", "/groups/readers", {"name": "x"},
        f"{GROUPS}/readers", {"do": "save", "version": "1", "name": "x"},
    ),
    "one more role of a group": Way(
        "PUT", "/groups/readers/roles/key-readers?audience=shared", None,
        f"{GROUPS}/readers",
        {"do": "assign-role", "role": "key-readers", "audience": "shared", "confirmed": "yes"},
    ),
    "unassigning a role from a group": Way(
        "DELETE", "/groups/readers/roles/key-readers?everywhere=true", None,
        f"{GROUPS}/readers",
        {"do": "unassign-role", "role": "key-readers", "everywhere": "yes", "confirmed": "yes"},
    ),
    "the name of a member of a group": Way(
        "PATCH", "/users/hank", {"username": "mallory"},
        f"{USERS}/hank", {"do": "save", "version": "1", "username": "mallory"},
    ),
    "deleting a group": Way(
        "DELETE", "/groups/leavers", None,
        f"{GROUPS}/leavers", {"do": "delete", "confirmed": "yes", "typed": "leavers"},
    ),
    "a role's deletion": Way(
        "DELETE", "/roles/key-readers?cascade=true", None,
        f"{ROLES}/key-readers",
        {"do": "delete", "cascade": "yes", "confirmed": "yes", "typed": "key-readers"},
    ),
    "an audience from which a privileged client acts for people": Way(
        "DELETE", "/audiences/elsewhere?cascade=true", None,
        "/console/audiences/elsewhere",
        {"do": "delete", "cascade": "yes", "confirmed": "yes", "typed": "elsewhere"},
    ),
    "an audience of a privileged client": Way(
        "DELETE", "/audiences/shared?cascade=true", None,
        "/console/audiences/shared",
        {"do": "delete", "cascade": "yes", "confirmed": "yes", "typed": "shared"},
    ),
    "the issuer's own audience": Way(
        "PATCH", f"/audiences/{URL.replace('/', '%2F')}", {"access_token_ttl": 86_400},
        f"/console/audiences/{quote(URL, safe='')}",
        {"do": "save", "version": "1", "access_token_ttl": "24h", "signing_alg": "ES256"},
    ),
}  # fmt: skip

LAST_ADMIN: dict[str, Way] = {
    "disable": Way(
        "PATCH", "/clients/issuer-admin", {"disabled": True},
        f"{CLIENTS}/issuer-admin", {"do": "disable", "confirmed": "yes"},
    ),
    "remove the scope": Way(
        "PATCH", "/clients/issuer-admin", {"scopes": ["issuer:keys:write"]},
        f"{CLIENTS}/issuer-admin", {**_SAVE, "audiences": URL, "scopes": "issuer:keys:write"},
    ),
    "remove the audience": Way(
        "PATCH", "/clients/issuer-admin", {"audiences": []},
        f"{CLIENTS}/issuer-admin", {**_SAVE, "scopes": "issuer:admin"},
    ),
    "remove the grant": Way(
        "PATCH", "/clients/issuer-admin", {"grant_types": ["password"]},
        f"{CLIENTS}/issuer-admin",
        {
            **{name: value for name, value in _SAVE.items() if name != "client_credentials"},
            **{"refresh_token": "yes", "audiences": URL, "scopes": "issuer:admin"},
        },
    ),
    "delete": Way(
        "DELETE", "/clients/issuer-admin", None,
        f"{CLIENTS}/issuer-admin", {"do": "delete", "confirmed": "yes", "typed": "issuer-admin"},
    ),
}  # fmt: skip


def with_privileged_resources(deployment: Deployment) -> None:
    """`my-os`, and what holds or grants rights at the issuer."""
    with_my_os(deployment)
    privileged_resources(deployment)


def privileged_resources(deployment: Deployment) -> None:
    """What holds or grants rights at the issuer, and what does not: `plain`, bob, my-os."""
    deployment.role("key-readers", ["issuer:keys:read"])
    deployment.role("plain", ["agents:run"])
    deployment.audience("shared")
    deployment.client("privileged", scopes=["issuer:keys:read"], audiences=["shared", URL])
    deployment.client("in-rotation", scopes=["issuer:keys:read"])
    deployment.client("by-role", roles=["key-readers"])
    deployment.client("mere-audience", audiences=["my-os", URL])
    deployment.audience("elsewhere")
    acting = {"may_act": [{"from": "elsewhere", "to": "my-os"}]}
    deployment.client("acting", scopes=["issuer:keys:read"], **acting)
    deployment.client("plain")
    deployment.client("with-keys", jwks=KEYS)
    trusted(deployment, _CLUSTER)
    trusted(deployment, _PLAIN, id="plain-issuer")
    company(deployment, _COMPANY)
    deployment.client("trusting", scopes=["issuer:keys:read"], jwks=KEYS, trusts=[trust()])
    deployment.client(
        "admins-app",
        audiences=[URL],
        grant_types=["client_credentials", "authorization_code"],
        redirect_uris=["https://app.example/callback"],
    )
    deployment.user("alice", id="alice", roles=["key-readers"], password=None)
    deployment.user("bob", id="bob", password=None)
    deployment.user("carol", id="carol", roles=["key-readers"], password=None)
    for name in ("gail", "hank", "intruder"):
        deployment.user(name, id=name, password=None)
    deployment.group("plain-group", id="plain-group")
    deployment.group("readers", ["gail"], ["key-readers"], id="readers")
    deployment.group("leavers", ["hank"], ["key-readers"], id="leavers")
    with deployment.changing() as work:
        work.rotations.start("in-rotation")
        work.invitations.create("alice", InvitationFields())
