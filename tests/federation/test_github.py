"""GitHub as a provider: its API in place of OpenID Connect."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from issuer.federation.github import claims
from tests.rows import rows

USER = {"id": 583231, "login": "octocat", "name": "The Octocat", "email": "public@example.com"}
EMAILS = [
    {"email": "old@example.com", "primary": False, "verified": True},
    {"email": "octocat@example.com", "primary": True, "verified": True},
]
ORGANISATIONS = [{"login": "acme", "id": 1}]
TEAMS = [{"slug": "platform", "organization": {"login": "acme"}}]
API: dict[str, Any] = {
    "/user": USER,
    "/user/emails": EMAILS,
    "/user/orgs": ORGANISATIONS,
    "/user/teams": TEAMS,
}
SCOPES = ("read:user", "user:email", "read:org")


def asked(answers: dict[str, Any], scopes: tuple[str, ...] = SCOPES) -> dict[str, Any]:
    """The claims, where the API answers that, page by page."""

    async def get(url: str) -> object:
        parts = urlsplit(url)
        assert parts.netloc == "api.github.com"
        answer = answers[parts.path]
        if not parts.query or not isinstance(answer, list):
            return answer
        page = int(parts.query.rpartition("=")[2])
        return answer[10 * (page - 1) : 10 * page]

    return asyncio.run(claims(get, scopes))


def test_a_person_is_known_by_the_number_of_the_account():
    """A login may be given up, and taken by somebody else."""
    assert asked(API) == {
        "sub": "583231",
        "preferred_username": "octocat",
        "login": "octocat",
        "name": "The Octocat",
        "email": "octocat@example.com",
        "email_verified": True,
        "groups": ["acme", "acme/platform"],
    }


def test_what_no_scope_allows_is_not_asked():
    """The address of the profile is verified by nobody."""
    assert asked({"/user": USER}, ("read:user",)) == {
        "sub": "583231",
        "preferred_username": "octocat",
        "login": "octocat",
        "name": "The Octocat",
    }


def test_an_address_that_is_not_verified_is_left_out():
    emails = [{"email": "a@example.com", "primary": True, "verified": False}]
    assert "email" not in asked({**API, "/user/emails": emails})


def test_all_pages_of_teams_are_read():
    teams = [{"slug": f"t{i}", "organization": {"login": "acme"}} for i in range(25)]
    groups = asked({**API, "/user/teams": teams})["groups"]
    assert groups == ["acme", *(f"acme/t{i}" for i in range(25))]


ODD: dict[str, dict[str, Any]] = {
    "no object": {"/user": []},
    "no id": {"/user": {"login": "octocat"}},
    "an id that is no number": {"/user": {**USER, "id": True}},
    "no login": {"/user": {"id": 1}},
    "teams that are no list": {"/user/teams": {"message": "Not Found"}},
    "a team that is no object": {"/user/teams": ["x"]},
    "more teams than are read": {"/user/teams": TEAMS * 100},
}


@rows("answers", ODD)
def test_anything_else_is_refused(answers: dict[str, Any]):
    """None is left out in silence: a lost team takes roles away."""
    with pytest.raises(ValueError, match=r"."):
        asked({**API, **answers})
