"""What a trusted issuer says about a person, in a verified ID token, user info or ID-JAG."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from issuer.directory.records import ProviderRecord
from issuer.errors import InvalidCredentials
from issuer.fields.fields import is_email
from issuer.fields.json import same_json

MAX_SUBJECT = MAX_GROUP = MAX_NAME = 255
MAX_GROUPS = 1_000
_MAX_METHODS = 20
_YEAR_9999 = 253_370_764_800
_SUBJECT = re.compile(r"[ -~]{1,255}")  # OpenID Connect Core §2
# What RFC 8176 §2 and the ACR values of OpenID call several factors.
_MULTI_FACTOR = frozenset({"mfa"})
_MULTI_FACTOR_CLASSES = frozenset(
    {"phr", "phrh", "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}
)


@dataclass(frozen=True, slots=True)
class ProviderClaims:
    """Claims of a person at a trusted issuer. `email` is theirs only if `email_verified`.

    `groups` is None where the token does not say which groups the person is in, and `no_groups`
    says why there are none, if that may be a mistake. `session_id` is the `sid` that the issuer
    gave its session. `raw` are all claims, as they came. What is not in those that are
    `is_complete` is not so; an ID-JAG may leave it out. The ID token and the
    endpoint are for signing out there.
    """

    subject: str
    name: str
    username: str | None
    email: str | None
    email_verified: bool
    groups: frozenset[str] | None
    no_groups: str
    amr: tuple[str, ...]
    acr: str | None
    auth_time: datetime | None
    session_id: str | None
    is_complete: bool
    raw: Mapping[str, Any] = field(repr=False)
    id_token: str = field(default="", repr=False)
    end_session_endpoint: str | None = None

    @property
    def name_at_issuer(self) -> str:
        """What the issuer calls the name, unlike `name`, which may be another claim; or empty."""
        return _text_of(self.raw, "name")

    @property
    def is_multi_factor(self) -> bool:
        """Whether the issuer says that the person used more than one factor."""
        return not _MULTI_FACTOR.isdisjoint(self.amr) or self.acr in _MULTI_FACTOR_CLASSES

    def first_missing(self, required: Mapping[str, Any]) -> str | None:
        """The name of the first `required` claim that is missing or another; None if all are there.

        Values are compared as whole JSON values. A claim that is a list may hold the value.
        """
        for name, wanted in required.items():
            value = self.raw.get(name)
            may_hold = isinstance(value, list) and not isinstance(wanted, list)
            found = value if may_hold and isinstance(value, list) else [value]
            if name not in self.raw or not any(same_json(each, wanted) for each in found):
                return name
        return None


def provider_claims(
    claims: Mapping[str, Any], provider: ProviderRecord, *, is_complete: bool = True
) -> ProviderClaims:
    """The claims as this provider has them. `InvalidCredentials` says what is wrong."""
    groups, no_groups = _groups(claims, provider.groups_claim, is_complete=is_complete)
    email = claims.get("email")
    has_email = isinstance(email, str) and is_email(email)
    username = claims.get(provider.username_claim)
    auth_time = claims.get("auth_time")
    return ProviderClaims(
        subject=_subject(claims),
        name=_text_of(claims, "name", "preferred_username", "email"),
        username=username if isinstance(username, str) else None,
        email=email if has_email else None,
        email_verified=has_email and claims.get("email_verified") is True,
        groups=groups,
        no_groups=no_groups,
        amr=_methods(claims.get("amr")),
        acr=_text(claims.get("acr")),
        auth_time=_instant(auth_time),
        session_id=_text(claims.get("sid")),
        is_complete=is_complete,
        raw=claims,
    )


def is_subject(text: str) -> bool:
    """Whether an account at another issuer can have this `sub`."""
    return _SUBJECT.fullmatch(text) is not None


def is_short_text(value: object) -> bool:
    """Whether it is a text of 1 to 255 printable characters, which both databases can keep."""
    return _text(value) is not None


def display_name(text: str) -> str:
    """A name from outside, as both databases can keep it and pages can show it."""
    return "".join(c for c in text[: 4 * MAX_NAME] if c.isprintable())[:MAX_NAME].strip()


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):
        raise InvalidCredentials(f"sub is not a text of 1 to {MAX_SUBJECT} ASCII characters")
    return subject


def _text_of(claims: Mapping[str, Any], *names: str) -> str:
    """The first of these claims that is a text; empty if none is."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and (text := display_name(value)):
            return text
    return ""


def _groups(
    claims: Mapping[str, Any], claim: str | None, *, is_complete: bool
) -> tuple[frozenset[str] | None, str]:
    """The groups, and why there are none. Beyond the limits, none counts: not only some of them."""
    none: frozenset[str] = frozenset()
    if claim is None:
        return none, ""
    elsewhere = claims.get("_claim_names")  # OpenID Connect Core §5.6.2
    if isinstance(elsewhere, Mapping) and claim in elsewhere:
        return none, f"the answer has too many groups and leaves out {claim}"
    if claim not in claims:
        return (none, f"the answer had no claim {claim}") if is_complete else (None, "")
    groups = [claims[claim]] if isinstance(claims[claim], str) else claims[claim]
    problem = _problem_of(groups)
    return (none, f"{claim} {problem}") if problem else (frozenset(groups), "")


def _problem_of(groups: object) -> str:
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        return f"is not a list of at most {MAX_GROUPS} groups"
    if not all(isinstance(each, str) and len(each) <= MAX_GROUP for each in groups):
        return f"holds a group that is no text of {MAX_GROUP} characters"
    return ""


def _methods(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_METHODS:
        return ()
    return tuple(each for each in value if isinstance(each, str) and _text(each))


def _text(value: object) -> str | None:
    is_fit = isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()
    return value if is_fit and isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    """A NumericDate (RFC 7519 §2)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return datetime.fromtimestamp(value, UTC) if 0 <= value < _YEAR_9999 else None
