"""`/verifiers`: the AgentOS that say which signing keys they hold."""

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, Limit, Page, page
from issuer.admin.routes import admin_router
from issuer.verifiers import DescribedVerifier

READ = "issuer:verifiers:read"

router = admin_router("/verifiers", "keys")


@router.get("", responses=documented("invalid-cursor"))
def list_verifiers(
    caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Page[DescribedVerifier]:
    """List the verifiers that reported in the last day, by audience and address.

    Nobody verifies what they say. Software that reports nothing is not in the list.
    """
    with caller.work(READ) as work:
        return page("verifiers", work.verifiers.page, lambda each: each.key, cursor, limit)
