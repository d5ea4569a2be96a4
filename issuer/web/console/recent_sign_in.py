"""Which forms of the console need a sign-in of the last ten minutes, second factor included.

A session that was left open is not enough for what gives access, or for what holds rights at the
issuer itself.
"""

from collections.abc import Mapping
from enum import Enum

from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES

_ALL_BUT_ADMIN = ISSUER_SCOPES - {ISSUER_ADMIN}


class NeedsSignIn(Enum):
    """Whether an action, the field `do` of a form, needs one; by default `ALWAYS`."""

    ALWAYS = "always"
    IF_PROTECTED = "if it changes what holds or would give rights at the issuer itself"
    NEVER = "never: it changes nothing"


def without_admin(held: frozenset[str]) -> frozenset[str]:
    """The scopes of `held` that count after ten minutes, for `IF_PROTECTED`.

    The domain lets nobody change anything protected without `issuer:admin`, so that leaving it out
    is enough: no form has to know what is protected.
    """
    return _ALL_BUT_ADMIN if ISSUER_ADMIN in held else held


def needs_sign_in(declared: Mapping[str, NeedsSignIn], form: Mapping[str, str]) -> NeedsSignIn:
    return declared.get(form.get("do", ""), NeedsSignIn.ALWAYS)
