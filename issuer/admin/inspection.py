"""`/audiences/{id}/inspection`: what an AgentOS consists of, and what it exposes."""

from functools import partial

from fastapi import Response

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import tagged
from issuer.admin.routes import admin_router, location, requires
from issuer.audiences import AUDIENCE
from issuer.inspection.components import InspectionReport

router = admin_router("/audiences", AUDIENCE.plural)

_PATH = "/{id:path}/inspection"


@router.get(_PATH)
def read_inspection(caller: Caller, id: str, response: Response) -> InspectionReport:
    """Read the last inspection of the AgentOS. Names in it are text that the AgentOS answered."""
    with caller.work(AUDIENCE.read) as work:
        return tagged(response, work.inspections.last(id))


@router.post(_PATH, status_code=201, responses=documented("not-allowed", "too-many-requests"))
@requires(AUDIENCE.write)
def inspect_audience(caller: Caller, id: str, response: Response) -> InspectionReport:
    """Inspect the AgentOS at the `url` of the audience, and store the result.

    At most 200 requests, which only read, in at most 45 seconds. 409 if the audience has no `url`,
    or no AgentOS answers there; 429 while two inspections are running.
    """
    opening = partial(caller.work, AUDIENCE.write)
    report = caller.administration.inspector.inspect(opening, id)
    response.headers["Location"] = location(caller, AUDIENCE.plural, id, "inspection")
    return tagged(response, report)
