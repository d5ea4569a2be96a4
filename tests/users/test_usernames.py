"""The same rule for creating and for finding user names, on both databases."""

from contextlib import suppress
from itertools import combinations
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.users import UserFields
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.rows import rows

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
PEOPLE = [
    "Anna Lee",
    "o'neill",
    "zoë@example.com",
    "Дмитрий",
    "Ὀδυσσεύς",
    "ıŞIK",
    "STRASSE",
    "山田太郎",
    "ヤマダ taro",
    "김철수",
    "नरेन्द्र",
]
# Each looks like the first: to a reader, or in lower case.
LOOK_ALIKE = [
    ["Anna Lee", "ANNA\u00a0LEE", "anna\u3000lee", "\uff21nna Lee"],
    ["coco", "сосо", "Сосо"],
    ["BETA", "вета"],
    ["strasse", "straße"],
    ["alice", "ALICE", "ɑlıce"],
]
# Invisible, not normalizable to a name, or of letters that look like others.
DECEPTIVE = [
    *["a\u200dlice", "a\u200clice", "alice\ufe0f", "al\u00adice", "\u202ealice", "ali\u2060ce"],
    *["ali\u115fce", "ali\u3164ce", "ali\u034fce", "alice\u2800", "\u0301alice", "ann \u0301"],
    *["anna  lee", "anna\u2028lee", " anna", "anna\u00a0", "\u3000", "a\tb", "a\0b", "\ud800"],
    *[
        "аlice",
        "p\u0430ypal",
        "αlice",
        "ali\u0665",
        "ali\U0001f600",
        "\u00a8alice",
        "\ufdfa" * 8,
    ],
]
NAMES = st.one_of(
    st.text(max_size=12),
    st.text("abcABC0.-_@ '", max_size=8),
    st.text("aàåaaàɑαаAΑА\u0301\u0345", max_size=4),
    st.text("iıİIіΙ\u0307 \u00a0\u200d\u3000\ufe0f\u115f", max_size=4),
)


def ways_to_type(name: str) -> set[str]:
    # Of the canonical form (Unicode, D145): U+0345 is a mark, and in capitals a letter.
    one = normalize("NFC", name)
    cased = {name, one.upper(), one.lower(), one.casefold(), one.swapcase()}
    return cased | {normalize(form, each) for form in FORMS for each in cased}


@rows("name", PEOPLE)
def test_people_sign_in_with_their_name_in_any_case_and_form(
    deployment: Deployment, token_endpoint: TokenDriver, name: str
):
    client = deployment.client(grant_types=["password"])
    deployment.user(name)
    for typed in {name.upper(), normalize("NFD", name), normalize("NFKC", name.lower())}:
        assert token_endpoint.password(client, typed).status == 200, typed


@rows("names", LOOK_ALIKE)
def test_no_two_users_have_names_that_look_the_same(deployment: Deployment, names: list[str]):
    for one, other in combinations(names, 2):
        user = deployment.user(one, password=None)
        with pytest.raises(AlreadyExists):
            deployment.user(other, password=None)
        with deployment.changing() as work:
            assert work.users.get_by_username(other).id == user
            work.users.delete(user)


@rows("name", DECEPTIVE)
def test_a_name_that_looks_like_another_cannot_be_created(name: str):
    with pytest.raises(InvalidField, match="username"):
        UserFields.read({"username": name})


def test_an_invalid_name_is_not_found(deployment: Deployment):
    with deployment.services.administration.reading() as work:
        for name in [*DECEPTIVE, "x" * 16_000]:
            with pytest.raises(NotFound):
                work.users.get_by_username(name)


@pytest.mark.parametrize("database_kind", ["sqlite"])
@given(st.lists(NAMES, min_size=1, max_size=4))
@example(["Anna\u00a0Lee", "anna\u3000lee"])
@example(["a\u200db", "a\u200db"])
@example(["\u03b1\u0345\u0301"])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_name_that_can_be_created_is_found_in_any_case_and_form(
    deployment: Deployment, names: list[str]
):
    """A name that is refused is either taken or invalid."""
    created: dict[str, str] = {}
    for name in names:
        with suppress(InvalidField, AlreadyExists):
            created[name] = deployment.user(name, password=None)
    with deployment.changing() as work:
        for name, user in created.items():
            for typed in ways_to_type(name):
                assert work.users.get_by_username(typed).id == user
            work.users.delete(user)


def test_creating_a_user_with_a_taken_name_is_409(
    deployment: Deployment, token_endpoint: TokenDriver
):
    token = token_endpoint.client_credentials(deployment.admin).token
    for name, status in [("Anna\u00a0Lee", 201), ("anna\u3000lee", 409), ("a\u200db", 422)]:
        answer = deployment.http.post(
            "/admin/v1/users", json={"username": name}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == status
    assert (
        deployment.http.get("/admin/v1/users", headers={"Authorization": f"Bearer {token}"}).json()[
            "items"
        ][0]["username"]
        == "Anna Lee"
    )
