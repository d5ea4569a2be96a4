"""`/usage`: what verifiers report about the scopes that requests needed."""

from issuer.admin.access import Caller
from issuer.admin.problems import ProblemRaised
from issuer.admin.routes import admin_router, requires
from issuer.scopes import ISSUER_USAGE
from issuer.usage import UsageReport

router = admin_router("/usage", "usage")


@router.post("")
@requires(
    ISSUER_USAGE,
    note="The audience must be an AgentOS of the calling client.",
)
def report_usage(caller: Caller, report: UsageReport) -> None:
    """Report how often subjects needed which scopes, as a verifier counted it.

    Counts are added to those of the day. A report may be sent again: it counts once.
    """
    with caller.administration.usage() as usage:
        is_own = report.audience == caller.administration.settings.url
        if is_own or not usage.is_audience_of(caller.actor.id or "", report.audience):
            message = "The audience is not that of an AgentOS, or none of the calling client."
            raise ProblemRaised("forbidden", message)
        usage.record(caller.actor.id or "", report)
