"""GitHub as a provider: OAuth with an API for the person, but no OpenID Connect.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from issuer.federation.metadata import ProviderMetadata

ISSUER = "https://github.com"
_API = "https://api.github.com"
# A team takes up to 5 KB of an answer, which has 64 KB at most.
_A_PAGE, _MAX_PAGES = 10, 10
METADATA = ProviderMetadata(
    f"{ISSUER}/login/oauth/authorize",
    f"{ISSUER}/login/oauth/access_token",
    f"{_API}/user",
    ("client_secret_post",),
    is_openid=False,
)

Get: TypeAlias = Callable[[str], Awaitable[object]]  # the JSON at a URL


async def claims(get: Get, scopes: Iterable[str]) -> dict[str, Any]:
    """The person as OpenID Connect would say it; the number of the account is its `sub`.

    With `user:email`, the primary address if it is verified. With `read:org`, organisations and
    teams are `groups`: `acme`, `acme/platform`. `ValueError` if GitHub answers anything else, or
    with more than can be read.
    """
    user = _object(await get(f"{_API}/user"))
    number, login = user.get("id"), user.get("login")
    if isinstance(number, bool) or not isinstance(number, int) or not isinstance(login, str):
        raise ValueError("GitHub answered without id and login")  # noqa: TRY004
    found: dict[str, Any] = {"sub": str(number), "preferred_username": login, "login": login}
    if isinstance(name := user.get("name"), str):
        found["name"] = name
    if "user:email" in scopes:
        for email in await _all(get, "/user/emails"):
            if email.get("primary") is True and email.get("verified") is True:
                found |= {"email": email.get("email"), "email_verified": True}
    if "read:org" in scopes:
        found["groups"] = await _groups(get)
    return found


async def _groups(get: Get) -> list[str]:
    organisations = [str(each.get("login")) for each in await _all(get, "/user/orgs")]
    teams = await _all(get, "/user/teams")
    names = [f"{_object(e.get('organization')).get('login')}/{e.get('slug')}" for e in teams]
    return [*organisations, *names]


async def _all(get: Get, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, _MAX_PAGES + 1):
        answer = await get(f"{_API}{path}?per_page={_A_PAGE}&page={page}")
        if not isinstance(answer, list):
            raise ValueError(f"{path} is not a list")  # noqa: TRY004
        found += map(_object, answer)
        if len(answer) < _A_PAGE:
            return found
    raise ValueError(f"{path} has more than {_A_PAGE * _MAX_PAGES} items")


def _object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ValueError("an item is not an object")  # noqa: TRY004
    return answer
