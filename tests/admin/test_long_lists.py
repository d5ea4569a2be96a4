"""Long lists: each item once, and every page with a few statements."""

import threading

import pytest
from sqlalchemy import event, insert

from issuer.database.tables import ClientAudienceRow, ClientRow, PrincipalRow
from issuer.vocabulary import AuthMethod, GrantType, RegisteredBy, UserRights
from tests.builders import Deployment
from tests.drivers import AdminApi

CLIENTS = 100_000
PAGE = 500
# One of clients, and two for each of three related tables: a page is read with one more row than a
# query for what is related takes. Two of roles, and one of when a secret was last used.
MAX_QUERIES = 10


def fill(deployment: Deployment) -> None:
    """Insert a hundred thousand clients in a few statements."""
    now = deployment.clock()
    ids = [f"bulk-{number:06}" for number in range(CLIENTS)]
    common = {
        "name": "",
        "grant_types": [GrantType.CLIENT_CREDENTIALS],
        "scopes": [],
        "access_token_ttl": None,
        "claims": {},
        "may_set_session": False,
        "token_endpoint_auth_method": AuthMethod.CLIENT_SECRET_BASIC,
        "redirect_uris": [],
        "post_logout_redirect_uris": [],
        "first_party": False,
        "trusts": [],
        "user_rights": UserRights.OWN,
        "registered_by": RegisteredBy.ADMIN,
        "pinned": False,
        "disabled": False,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    with deployment.services.database.transaction() as session:
        session.execute(insert(PrincipalRow), [{"folded_id": i, "kind": "client"} for i in ids])
        rows = [{"client_id": i, "folded_id": i, **common} for i in ids]
        session.execute(insert(ClientRow.__table__), rows)
        session.execute(
            insert(ClientAudienceRow), [{"client_id": i, "audience_id": "my-os"} for i in ids]
        )


@pytest.mark.slow
def test_a_hundred_thousand_clients_are_listed_page_by_page(
    admin: AdminApi, deployment: Deployment
):
    fill(deployment)
    seen: list[str] = []
    costs: set[int] = set()
    statements = 0

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal statements
        in_request = threading.current_thread().name.startswith("AnyIO")  # in no background job
        statements += in_request and statement.startswith("SELECT")

    event.listen(deployment.services.database.engine, "before_cursor_execute", count)
    deployment.services.tokens.changes.stop()
    for job in deployment.services.background.jobs:  # one of them reads every minute
        job.stop()
    path = f"/clients?limit={PAGE}"
    while True:
        statements = 0
        page = admin.get(path).json()
        costs.add(statements)
        seen += [client["client_id"] for client in page["items"]]
        if page["next_cursor"] is None:
            break
        path = f"/clients?limit={PAGE}&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == CLIENTS + 1
    assert seen == sorted(seen)
    assert min(costs) > 0
    assert max(costs) <= MAX_QUERIES, costs
