"""Some roles, audiences and trusted issuers to choose from in a form; others can be typed."""

from issuer.audiences import AUDIENCE
from issuer.composition import UnitOfWork
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.web.console.endpoint import Operator

_SHOWN = 100


def some_roles(operator: Operator, work: UnitOfWork) -> tuple[str, ...]:
    """Empty without the scope to read roles."""
    if not operator.holds(ROLE.read):
        return ()
    return tuple(each.name for each in work.roles.page(None, _SHOWN))


def some_audiences(operator: Operator, work: UnitOfWork) -> tuple[str, ...]:
    """Empty without the scope to read audiences."""
    if not operator.holds(AUDIENCE.read):
        return ()
    return tuple(each.id for each in work.audiences.page(None, _SHOWN))


def some_trusted_issuers(operator: Operator, work: UnitOfWork) -> tuple[str, ...]:
    """Empty without the scope to read trusted issuers."""
    if not operator.holds(TRUSTED_ISSUER.read):
        return ()
    return tuple(each.id for each in work.trusted_issuers.page(None, _SHOWN))
