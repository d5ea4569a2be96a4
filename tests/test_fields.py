"""The syntax of ids, names, lifetimes and claims."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.audiences import AudienceFields
from issuer.clients.client import ClientFields
from issuer.errors import InvalidField
from issuer.fields.json import merge_patch, patch_between
from issuer.fields.usernames import fold_username
from issuer.roles import RoleFields
from issuer.users import UserFields
from tests.rows import rows


@rows("taken", ["sa:x", "SA:x", "__oauth__:x", "__scheduler__", "__Scheduler__"])
def test_subjects_reserved_by_agentos_are_refused(taken: str):
    for refused in ({"id": taken, "username": "a"}, {"client_id": taken}):
        fields = UserFields if "id" in refused else ClientFields
        with pytest.raises(InvalidField, match="reserved by AgentOS"):
            fields.read(refused)


@rows("taken", ["cli:root", "CLI:root", "issuer:rotator", "Issuer:x", "cli:"])
def test_no_user_or_client_has_the_name_of_an_actor_in_the_audit_log(taken: str):
    for fields, member in ((UserFields, "id"), (ClientFields, "client_id")):
        with pytest.raises(InvalidField, match="reserved for actors in the audit log"):
            fields.read({member: taken, **({"username": "a"} if member == "id" else {})})


@rows(
    "fine",
    ["a", "clint:a", "issuer-admin", "svc:a+b@c|d~e.f_g-h", "__scheduler__2", "sa", "x" * 128],
)
def test_valid_ids_are_kept_byte_for_byte(fine: str):
    assert ClientFields.read({"client_id": fine}).client_id == fine


@rows("bad", ["", "x" * 129, "a b", "a/b", "a\n", "ä", "a%b", "a\0", "a,b", ".", ".."])
def test_other_ids_are_refused(bad: str):
    with pytest.raises(InvalidField):
        ClientFields.read({"client_id": bad})


@rows("fine", ["my-os", "https://os.example/a/b", "x" * 255])
def test_an_audience_may_be_a_url(fine: str):
    assert AudienceFields.read({"id": fine}).id == fine


@rows("bad", ["", "x" * 256, "https://os.example?x=1", "a b", "a/../b"])
def test_other_audiences_are_refused(bad: str):
    with pytest.raises(InvalidField):
        AudienceFields.read({"id": bad})


TAKEN_CLAIMS = [
    *("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "scopes", "roles"),
    *("session_id", "nbf", "cnf", "act", "may_act", "azp", "typ", "auth_time", "acr", "amr"),
    *("nonce", "sid", "at_hash", "events", "agno_service_account", "agno_x", "AGNO_x"),
]


@rows("name", TAKEN_CLAIMS)
def test_claims_that_change_what_a_token_means_are_refused(name: str):
    with pytest.raises(InvalidField, match="claims"):
        ClientFields.read({"claims": {name: "x"}})


@rows(
    "value",
    [
        "\0",
        "\ud800",
        float("nan"),
        float("inf"),
        2**53,
        {"a": "\0"},
        [[[[[[[[[1]]]]]]]]],
        "x" * 4096,
    ],
)
def test_claims_that_are_not_portable_json_are_refused(value: object):
    """RFC 7493."""
    with pytest.raises(InvalidField, match="claims"):
        ClientFields.read({"claims": {"custom": value}})


def test_other_claims_are_kept():
    claims = {"tenant": "acme", "é": {"list": [1, None, True, 1.5]}}
    assert ClientFields.read({"claims": claims}).claims == claims


@rows("ttl", [59, 86_401, 10**30, "900", 900.0, True])
def test_a_lifetime_is_60_to_86400_whole_seconds(ttl: object):
    with pytest.raises(InvalidField, match="access_token_ttl"):
        ClientFields.read({"access_token_ttl": ttl})


@rows("ttl", [900, "900s", "15m"])
def test_a_lifetime_may_have_a_unit_and_is_answered_in_seconds(ttl: object):
    fields = ClientFields.read({"access_token_ttl": ttl})
    assert fields.model_dump(mode="json")["access_token_ttl"] == 900


def test_types_are_strict_and_unknown_members_named():
    with pytest.raises(InvalidField, match="disabled"):
        ClientFields.read({"disabled": "true"})
    with pytest.raises(InvalidField, match="colour"):
        RoleFields.read({"name": "a", "colour": "red"})


@rows("scope", ["a::b", "a:b:c:d", "a b", "", "issuer:everything", "ä"])
def test_a_role_holds_only_scopes(scope: str):
    with pytest.raises(InvalidField, match="scopes"):
        RoleFields.read({"name": "a", "scopes": [scope]})


@rows("username", ["", " a", "a ", "a\nb", "x" * 129, "\u200b\0"])
def test_user_names_are_printable(username: str):
    with pytest.raises(InvalidField, match="username"):
        UserFields.read({"username": username})


@given(st.text(max_size=20))
def test_folding_a_user_name_is_idempotent(username: str):
    folded = fold_username(username)
    assert fold_username(folded) == folded
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold_username(unicodedata.normalize(form, username)) == folded


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_is_idempotent_and_leaves_no_null_of_its_own(target: dict, patch: dict):
    """RFC 7396 §2."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    for name, value in patch.items():
        assert (name in once) == (value is not None)
    assert json.dumps(merge_patch({}, {})) == "{}"


WITHOUT_NULL = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        st.booleans() | st.text(max_size=3),
        lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(OBJECTS, WITHOUT_NULL)
def test_the_patch_between_two_objects_makes_one_of_the_other(before: dict, after: dict):
    assert merge_patch(before, patch_between(before, after)) == after


def test_the_examples_of_rfc_7396():
    """Appendix A, those whose target is an object."""
    cases = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for target, patch, result in cases:
        assert merge_patch(target, patch) == result
