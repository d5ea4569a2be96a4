"""`/verifiers`: the AgentOS that say which signing keys they hold."""

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, Limit, Page, page
from issuer.admin.routes import admin_router, requires
from issuer.verifiers import DescribedVerifier, LeftOutVerifiers

READ = "issuer:verifiers:read"

router = admin_router("/verifiers", "keys")


class VerifierList(Page[DescribedVerifier]):
    """A page of verifiers; `left_out` is what was left out in the last day, null if nothing."""

    left_out: LeftOutVerifiers | None


@router.get("", responses=documented("invalid-cursor"))
@requires(READ)
def list_verifiers(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> VerifierList:
    """List the verifiers that reported in the last day, by audience and address.

    Nobody verifies what they say. Software that reports nothing is not in the list. Where more
    report than are kept, known live ones stay, and newcomers are left out.
    """
    with caller.work(READ) as work:
        found = page("verifiers", work.verifiers.page, lambda each: each.key, cursor, limit)
        return VerifierList(**dict(found), left_out=work.verifiers.left_out())
