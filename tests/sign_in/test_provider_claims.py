"""What a trusted issuer says about a person: read strictly, within limits."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.directory.records import ProviderRecord
from issuer.errors import InvalidCredentials
from issuer.sign_in.provider_claims import ProviderClaims, provider_claims
from tests.rows import rows

PROVIDER = ProviderRecord(
    client_id="issuer",
    scopes=("openid",),
    username_claim="preferred_username",
    groups_claim="groups",
    provision=False,
    required_claims={},
    only=False,
    id_jag=False,
    sealed_secret=None,
)
NAMES = ["sub", "name", "email", "groups", "amr", "acr", "sid", "auth_time"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


def read(**claims: Any) -> ProviderClaims:
    return provider_claims({"sub": "s-1", **claims}, PROVIDER)


def test_claims_of_a_person_are_read():
    found = read(
        name="Alice Example",
        preferred_username="alice",
        email="alice@company.example",
        email_verified=True,
        groups=["engineers", "all"],
        amr=["pwd", "mfa"],
        acr="1",
        auth_time=1_700_000_000,
        sid="session-1",
    )
    assert (found.subject, found.name, found.username) == ("s-1", "Alice Example", "alice")
    assert (found.email, found.email_verified) == ("alice@company.example", True)
    assert found.groups == {"engineers", "all"}
    assert (found.amr, found.acr, found.session_id) == (("pwd", "mfa"), "1", "session-1")
    assert found.auth_time == datetime.fromtimestamp(1_700_000_000, UTC)
    assert found.is_multi_factor


@rows("subject", [None, "", 7, "a" * 256, "Zoë", "a\nb", "a\0", ["s-1"]])
def test_a_subject_is_a_bounded_ascii_text(subject: object):
    """OpenID Connect Core §2."""
    with pytest.raises(InvalidCredentials):
        provider_claims({"sub": subject}, PROVIDER)


def test_groups_that_are_one_text_are_a_list_of_one():
    found = read(groups="engineers, all")
    assert (found.groups, found.no_groups) == ({"engineers, all"}, "")


@rows(
    ("groups", "reason"),
    [
        ({"a": 1}, "groups is not a list of at most 1000 groups"),
        ([f"g-{n}" for n in range(1_001)], "groups is not a list of at most 1000 groups"),
        (None, "groups is not a list of at most 1000 groups"),
        (["a", 7], "groups holds a group that is no text of 255 characters"),
        (["a", "a" * 256], "groups holds a group that is no text of 255 characters"),
        ("a" * 256, "groups holds a group that is no text of 255 characters"),
        (["a", ["b"]], "groups holds a group that is no text of 255 characters"),
    ],
)
def test_groups_that_are_no_bounded_list_of_texts_count_for_nothing(groups: object, reason: str):
    """Not some of them: a part of what a provider says may give rights that the whole takes."""
    found = read(groups=groups)
    assert (found.groups, found.no_groups) == (frozenset(), reason)


def test_groups_that_the_answer_leaves_out_because_they_are_too_many_are_none():
    """OpenID Connect Core §5.6.2, as Entra does with more than 200."""
    found = read(
        _claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://a"}}
    )
    reason = "the answer has too many groups and leaves out groups"
    assert (found.groups, found.no_groups) == (frozenset(), reason)


def test_a_missing_claim_of_groups_means_none_or_nothing_said():
    found = read()
    assert (found.groups, found.no_groups) == (frozenset(), "the answer had no claim groups")
    of_id_jag = provider_claims({"sub": "s-1"}, PROVIDER, is_complete=False)
    assert (of_id_jag.groups, of_id_jag.no_groups) == (None, "")
    asked_for_none = provider_claims({"sub": "s-1"}, replace(PROVIDER, groups_claim=None))
    assert (asked_for_none.groups, asked_for_none.no_groups) == (frozenset(), "")


@rows("verified", [None, "true", 1, "1", False, [True]])
def test_an_address_is_verified_only_by_true_itself(verified: object):
    found = read(email="alice@company.example", email_verified=verified)
    assert (found.email, found.email_verified) == ("alice@company.example", False)


@rows("email", [None, 7, "alice", "a@b c", "a" * 250 + "@b.example", "a@b\0"])
def test_what_is_no_address_is_left_out(email: object):
    found = read(email=email, email_verified=True)
    assert (found.email, found.email_verified) == (None, False)


@rows(
    ("required", "claims", "missing"),
    [
        ({"hd": "a.example"}, {"hd": "a.example"}, None),
        ({"hd": "a.example"}, {"hd": "b.example"}, "hd"),
        ({"hd": "a.example"}, {}, "hd"),
        ({"groups": "staff"}, {"groups": ["all", "staff"]}, None),
        ({"groups": "staff"}, {"groups": ["all"]}, "groups"),
        ({"groups": "staff"}, {"groups": "staff"}, None),
        ({"groups": ["a"]}, {"groups": ["a", "b"]}, "groups"),
        ({"groups": ["a", "b"]}, {"groups": ["a", "b"]}, None),
        ({"level": 1}, {"level": True}, "level"),
        ({"level": 1}, {"level": "1"}, "level"),
        ({"level": 1}, {"level": 1.0}, "level"),
        ({"level": 1}, {"level": [True, 1]}, None),
        ({"a": None}, {}, "a"),
        ({"a": None}, {"a": None}, None),
    ],
)
def test_required_claims_are_compared_as_whole_json_values(
    required: dict[str, Any], claims: dict[str, Any], missing: str | None
):
    """A claim that is a list may hold the value."""
    others = {name: value for name, value in claims.items() if name != "groups"}
    found = provider_claims({"sub": "s-1", **others}, PROVIDER)
    raw = ProviderClaims(**{**{n: getattr(found, n) for n in found.__slots__}, "raw": claims})
    assert raw.first_missing(required) == missing


@rows("claims", [{}, {"amr": "mfa"}, {"amr": ["pwd"]}, {"acr": "0"}, {"amr": [["mfa"]]}])
def test_without_a_word_of_it_there_was_one_factor(claims: dict[str, Any]):
    assert not read(**claims).is_multi_factor


def test_a_name_from_outside_has_no_control_characters():
    assert read(name="A\u202eb\0\n" + "c" * 300).name == "Ab" + "c" * 253
    assert (read(name="\n", preferred_username="al").name, read().name) == ("al", "")


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_claims_are_read_or_refused(claims: dict[str, Any]):
    try:
        found = provider_claims(claims, PROVIDER)
    except InvalidCredentials:
        return
    texts = [found.subject, found.name, *found.amr, *(found.groups or ())]
    assert all(isinstance(each, str) and len(each) <= 255 for each in texts)
