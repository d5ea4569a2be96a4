"""Filters in SQL find what the library finds in memory."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scim2_models import ScimFilter

from issuer.admin.scim.schemas import PROVIDER, EnterpriseUsers
from tests.admin.scim.driver import GROUP, USER, Scim, refused, scim_of
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.rows import rows

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USERS: list[dict[str, Any]] = [
    {"userName": "alice", "displayName": "Alice A", "externalId": "A1", "title": "Engineer"},
    {"userName": "Bob", "active": False, "externalId": "a1", "name": {"familyName": "Bobson"}},
    {"userName": "carol", "emails": [{"value": "Carol@Example.org", "type": "home"}]},
    {"userName": "dave", "emails": [{"value": "dave@example.org", "type": "work"}]},
    {"userName": "eve", "displayName": "", ENTERPRISE: {"department": "Sales"}},
    {"userName": "frank", "displayName": "50% off_", "title": ""},
]
TEXTS = ("userName", "displayName", "externalId", "title", "name.familyName", "emails.value")
TEXTS += ("emails", "emails.type", f"{ENTERPRISE}:department", "id", "unknown", "name.unknown")
PIECES = [
    *"aAbe1 %_\\",
    "",
    "alice",
    "Alice A",
    "A1",
    "Bobson",
    "carol@example.org",
    "work",
    "Sales",
]
OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\") + '"'


comparisons = st.one_of(
    st.builds(
        lambda name, op, text: f"{name} {op} {quoted(text)}",
        st.sampled_from(TEXTS),
        st.sampled_from(OPERATORS),
        st.sampled_from(PIECES),
    ),
    st.builds("{} pr".format, st.sampled_from(TEXTS)),
    st.builds("{} eq null".format, st.sampled_from(TEXTS)),
    st.sampled_from(["active eq true", "active ne true", "active eq false", "active pr"]),
    st.builds(
        lambda label, op, text: f'emails[type eq "{label}" and value {op} {quoted(text)}]',
        st.sampled_from(["work", "home", "WORK"]),
        st.sampled_from(["eq", "co", "ew"]),
        st.sampled_from(PIECES),
    ),
)
filters = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def provisioned(shared: Deployment) -> Scim:
    scim = scim_of(shared, TokenDriver(shared.http))
    for each in USERS:
        scim.create(
            **{"username": each["userName"], **{k: v for k, v in each.items() if k != "userName"}}
        )
    return scim


@settings(max_examples=60, deadline=None)
@given(text=filters)
@example(text='displayName co ""')
@example(text='not (displayName ew "")')
def test_a_filter_finds_what_the_library_finds(provisioned: Scim, text: str):
    everybody = provisioned.get("/Users", count=500).json()["Resources"]
    with PROVIDER:
        meets = ScimFilter[EnterpriseUsers](text).match
        expected = [
            each["userName"] for each in everybody if meets(EnterpriseUsers.model_validate(each))
        ]
    answer = provisioned.get("/Users", filter=text)
    if "unknown" in text:  # RFC 7644 §3.4.2.2, where all resources are of one type
        assert refused(answer) == (400, "invalidFilter")
        return
    assert answer.status_code == 200, answer.text
    assert sorted(each["userName"] for each in answer.json()["Resources"]) == sorted(expected)
    assert answer.json()["totalResults"] == len(expected)


def test_dates_are_compared(provisioned: Scim):
    created = provisioned.get("/Users", count=1).json()["Resources"][0]["meta"]["created"]
    for text, number in (
        (f'meta.created ge "{created}"', len(USERS)),
        (f'meta.lastModified lt "{created}"', 0),
        ('meta.created gt "2001-01-01T00:00:00"', len(USERS)),
        ('meta.created lt "9999-12-31T23:59:59Z"', len(USERS)),
    ):
        assert len(provisioned.found(text)) == number, text


def test_schemas_are_compared(provisioned: Scim):
    """As RFC 7644 §3.4.2.2 prints it."""
    assert provisioned.found(f'schemas eq "{ENTERPRISE}"') == ["eve"]
    assert len(provisioned.found(f'schemas eq "{USER}"')) == len(USERS)
    assert provisioned.found(f'schemas eq "{GROUP}"') == []
    assert provisioned.found('meta.resourceType eq "Group" or userName eq "bob"') == ["Bob"]


@rows("by", ["userName", "displayName", "title", "emails", "meta.created", "id", "externalId"])
def test_pages_in_any_order_have_everybody_once(provisioned: Scim, by: str):
    """Those without a value come last, or first if the order is descending."""
    for order in ("ascending", "descending"):
        pages = [
            provisioned.get("/Users", sortBy=by, sortOrder=order, startIndex=start, count=2).json()
            for start in (1, 3, 5, 7)
        ]
        found = [each["userName"] for page in pages for each in page["Resources"]]
        assert sorted(found) == sorted(each["userName"] for each in USERS)
        assert [page["itemsPerPage"] for page in pages] == [2, 2, 2, 0]
        assert {page["totalResults"] for page in pages} == {len(USERS)}
    if by == "userName":
        assert found == ["frank", "eve", "dave", "carol", "Bob", "alice"]


def test_the_number_of_results_is_bounded(provisioned: Scim):
    for parameters, shown in (
        ({"count": 0}, 0),
        ({"count": -1}, 0),
        ({"count": 10**9}, len(USERS)),
        ({"startIndex": 0}, len(USERS)),
        ({"startIndex": -5}, len(USERS)),
        ({"startIndex": 10**18}, 0),
    ):
        answer = provisioned.get("/Users", **parameters).json()
        assert (answer["totalResults"], len(answer["Resources"])) == (len(USERS), shown), parameters


def wrong() -> Iterator[tuple[str, str]]:
    nested = "not (" * 40 + "active pr" + ")" * 40
    for text in (
        "userName",
        "userName eq alice",
        'userName xx "a"',
        "(((",
        nested,
        "active gt true",
        "userName co 5",
        'meta.created eq "yesterday"',
        'phoneNumbers.value eq "1"',
        'members eq "1"',
        'userName eq "\\u0000"',
        'userName eq "\\ud800"',
        f'userName eq "{"a" * 5000}"',
        " or ".join(['userName eq "a"'] * 500),
    ):
        yield "filter", text
    yield "sortBy", "phoneNumbers"
    yield "sortBy", "name"
    yield "sortBy", "x" * 3000
    yield "count", "many"
    yield "startIndex", "9" * 6000


@pytest.mark.parametrize(("name", "text"), [*wrong()], ids=range(19))
def test_what_cannot_be_searched_is_400(provisioned: Scim, name: str, text: str):
    status, kind = refused(provisioned.get("/Users", **{name: text}))
    assert status == 400
    assert kind in {"invalidFilter", "invalidPath", "invalidValue"}


def test_a_search_may_be_a_post(provisioned: Scim):
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": 'userName eq "ALICE"',
        "attributes": ["userName"],
    }
    for path in ("/Users/.search", "/.search"):
        (found,) = provisioned("POST", path, json=body).json()["Resources"]
        assert found.keys() == {"schemas", "id", "userName"}
    assert provisioned("POST", "/Groups/.search", json={}).json()["totalResults"] == 0


def test_users_and_groups_are_searched_together(provisioned: Scim, shared: Deployment):
    """Attributes that only one kind has are those of no other."""
    group = provisioned("POST", "/Groups", json={"displayName": "Alice A"}).json()["id"]
    try:
        body = {"filter": 'displayName eq "alice a"', "count": 1}
        pages = [
            provisioned("POST", "/.search", json={**body, "startIndex": start}).json()
            for start in (1, 2, 3)
        ]
        found = [each["meta"]["resourceType"] for page in pages for each in page["Resources"]]
        assert found == ["User", "Group"]
        assert {page["totalResults"] for page in pages} == {2}
        body["filter"] += ' and meta.resourceType eq "Group"'  # as RFC 7644 §3.4.2.1 prints it
        (only,) = provisioned("POST", "/.search", json=body).json()["Resources"]
        assert only["id"] == group
        by_name = {"filter": 'userName eq "alice" or members pr'}
        assert provisioned("POST", "/.search", json=by_name).status_code in {200, 400}
    finally:
        provisioned("DELETE", f"/Groups/{group}")
