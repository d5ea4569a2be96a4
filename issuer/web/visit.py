"""A request to a page: the browser it comes from and what it is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from issuer.audit import Actor
from issuer.http import caller

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OWN_PAGE = re.compile(r"/account(/[A-Za-z0-9_-]{1,80}){0,3}")


@dataclass(frozen=True, slots=True)
class Visit:
    """`browser` is the secret that its cookie holds; it `is_new` if it came without.

    `request_id` names an authorization or logout request in a cookie, `next` a page of the account.
    """

    request: Request = field(repr=False)
    browser: str = field(repr=False)
    is_new: bool
    query: Mapping[str, str]
    request_id: str = ""
    next: str = ""

    @property
    def actor(self) -> Actor:
        return caller(self.request)


def named_request(parameters: Mapping[str, str]) -> str:
    text = parameters.get("request", "")
    return text if _REQUEST_ID.fullmatch(text) else ""


def named_page(parameters: Mapping[str, str]) -> str:
    """Only a page of the account: never a URL that somebody else chose."""
    text = parameters.get("next", "")
    return text if _OWN_PAGE.fullmatch(text) else ""
