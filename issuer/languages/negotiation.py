"""Which language a request gets: `ui_locales`, then `Accept-Language`, then the default."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from issuer.telemetry.logs import request_scope

SOURCE = "en"
LANGUAGES = (SOURCE, "de", "es", "fr", "ja")

_CHOSEN = "issuer.language"  # in the scope of a request
_MAX_RANGES = 50
_RANGE = re.compile(
    r"\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.IGNORECASE | re.ASCII,
)


def language() -> str:
    """The language of the present request; English where no page chose one, as in the API."""
    scope = request_scope.get()
    return str(scope.get(_CHOSEN, SOURCE)) if scope else SOURCE


def choose_language(default: str, *, is_translated: bool = True) -> None:
    """Give the present request its language: English if it is for a page that has no other."""
    if (scope := request_scope.get()) is not None:
        speak((first_known(_tags_of(scope)) or default) if is_translated else SOURCE)


def speak(tag: str) -> None:
    """Give the present request that language, which is one of `LANGUAGES`."""
    if (scope := request_scope.get()) is not None:
        scope[_CHOSEN] = tag


def first_known(tags: Iterable[str]) -> str | None:
    """The first of these language tags that there is, also by its beginning (RFC 4647 §3.4)."""
    return next((language for tag in tags if (language := _match(tag))), None)


def accepted_languages(header: str) -> list[str]:
    """The tags of `Accept-Language`, best first (RFC 9110 §12.5.4); none for a malformed one."""
    ranges = [_RANGE.fullmatch(each) for each in header.split(",", _MAX_RANGES)[:_MAX_RANGES]]
    weighed = [(float(each[2] or 1), each[1]) for each in ranges if each]
    found = sorted((tag for tag in weighed if tag[0]), key=lambda tag: -tag[0])
    return [tag for _, tag in found]


def _tags_of(scope: Mapping[str, Any]) -> list[str]:
    values = [value for name, value in scope["headers"] if name == b"accept-language"]
    return accepted_languages(b",".join(values).decode("latin-1"))


def _match(tag: str) -> str | None:
    tag = tag.lower()
    while tag:
        if tag in LANGUAGES:
            return tag
        tag = tag.rpartition("-")[0]
    return None
