"""Reviews whose callers have left, while PostgreSQL cannot go on."""

import socket
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.drivers import AdminApi
from tests.journeys.running_issuer import RunningIssuer, wait_until

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
AT_ONCE = 2


def asked(issuer: RunningIssuer, token: str) -> socket.socket:
    """The connection of a caller who has asked for a review."""
    connection = socket.create_connection(("127.0.0.1", issuer.port))
    head = f"GET /admin/v1/review HTTP/1.1\r\nHost: id\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_they_leave_their_places_to_others(tmp_path: Path, database_url: str):
    engine = create_engine(database_url)
    with RunningIssuer(tmp_path, database_url) as issuer, engine.connect() as other:
        token = issuer.token_endpoint.client_credentials(issuer.deployment.admin).token
        other.execute(text("LOCK TABLE used_scopes IN ACCESS EXCLUSIVE MODE"))

        def waiting() -> int:
            with engine.connect() as connection:
                return connection.scalar(WAITING)

        callers = [asked(issuer, token) for _ in range(AT_ONCE)]
        wait_until(lambda: waiting() == AT_ONCE, 15, "both wait for the table")
        refused = AdminApi(issuer.http, token).get("/review")
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        for each in callers:
            each.close()
        wait_until(lambda: waiting() == 0, 5, "their queries end")
        other.rollback()
        answer = AdminApi(issuer.http, token).get("/review")
        assert answer.status_code == httpx.codes.OK, answer.text
    engine.dispose()
