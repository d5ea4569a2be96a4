"""Any request to the token endpoint is answered with a token, a refusal or a 503."""

import http.client
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from issuer.vocabulary import ErrorCode
from tests.builders import PASSWORD, Credentials
from tests.journeys.hostile_requests import HostileRequest, Hostility
from tests.journeys.running_issuer import RunningIssuer

pytestmark = pytest.mark.slow

REQUESTS = 5_000
AT_A_TIME = 16
PATIENCE = 20  # seconds for an answer
WITHOUT_HOPE = 0.2  # seconds for an answer to what may not be a whole request
# A client that is refused while still sending may see a reset before the answer.
MAX_SENT_AT_ONCE = 60_000

HEADERS = {"date", "server", "connection", "content-type", "content-length", "allow"}
HEADERS |= {"cache-control", "pragma", "retry-after", "www-authenticate"}
HEADERS |= {"x-request-id", "x-content-type-options"}
HEADERS |= {f"access-control-{what}" for what in ("allow-origin", "expose-headers", "max-age")}
HEADERS |= {"access-control-allow-methods", "access-control-allow-headers"}
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")  # RFC 6749 §5.2


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """Empty if the HTTP parser answers, before our code runs."""
        is_json = ("content-type", "application/json") in self.headers
        return json.loads(self.body) if is_json and self.body else {}


@dataclass(frozen=True)
class Aftermath:
    """The results of all requests. The keys are the seeds: `hostility.request("4711")`."""

    issuer: RunningIssuer
    client: Credentials
    answers: dict[str, RawAnswer]


@pytest.fixture(scope="module")
def aftermath(issuer: RunningIssuer) -> Aftermath:
    client = issuer.deployment.client(
        "svc+good@example",
        scopes=["agents:run"],
        grant_types=["client_credentials", "password"],
        may_set_session=True,
    )
    issuer.deployment.user("alice")
    hostility = Hostility(client.client_id, client.client_secret, "alice", PASSWORD)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        seeds = [str(number) for number in range(REQUESTS)]
        found = pool.map(lambda seed: ask(issuer.port, hostility.request(seed)), seeds)
        answers = {seed: answer for seed, answer in zip(seeds, found, strict=True) if answer}
    return Aftermath(issuer, client, answers)


def test_the_requests_reach_all_stages_of_the_endpoint(aftermath: Aftermath):
    """Otherwise the other tests here would prove little."""
    assert len(aftermath.answers) > REQUESTS / 2
    assert {answer.status for answer in aftermath.answers.values()} >= {200, 400, 401, 405, 413}
    refusals = {answer.json.get("error") for answer in aftermath.answers.values()}
    assert refusals >= {
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_CLIENT,
        ErrorCode.INVALID_GRANT,
        ErrorCode.UNSUPPORTED_GRANT_TYPE,
        ErrorCode.INVALID_SCOPE,
        ErrorCode.INVALID_TARGET,
    }


def test_every_answer_is_a_token_a_refusal_or_a_503(aftermath: Aftermath):
    odd = {
        seed: answer
        for seed, answer in aftermath.answers.items()
        if not (answer.status < 300 or 400 <= answer.status < 500 or answer.status == 503)
    }
    assert not odd


def test_no_part_of_a_request_becomes_a_response_header(aftermath: Aftermath):
    names = {name for answer in aftermath.answers.values() for name, _ in answer.headers}
    assert names <= HEADERS


def test_refusals_contain_only_the_characters_that_the_rfc_allows(aftermath: Aftermath):
    """RFC 6749 §5.2."""
    odd = {
        seed: answer.json
        for seed, answer in aftermath.answers.items()
        if answer.json.get("error", "invalid_request") not in set(ErrorCode)
        or not DESCRIPTION.fullmatch(str(answer.json.get("error_description", "")))
    }
    assert not odd


def test_no_request_caused_a_server_error(aftermath: Aftermath):
    assert "Traceback" not in aftermath.issuer.log
    assert "unexpected_error" not in aftermath.issuer.log


def test_no_secret_is_in_the_log(aftermath: Aftermath):
    assert aftermath.client.client_secret not in aftermath.issuer.log
    assert PASSWORD not in aftermath.issuer.log
    assert PASSWORD.replace(" ", "+") not in aftermath.issuer.log


def test_no_secret_is_in_the_audit_log(aftermath: Aftermath):
    """Not even if a client sends its secret as its id."""
    with aftermath.issuer.deployment.services.database.reading() as session:
        events = session.scalars(select(AuditEventRow)).all()
        audit_log = "\n".join(str(vars(event)) for event in events)
    assert aftermath.client.client_secret not in audit_log
    assert PASSWORD not in audit_log


def test_the_server_still_issues_tokens(aftermath: Aftermath):
    endpoint = aftermath.issuer.token_endpoint
    assert endpoint.client_credentials(aftermath.client).status == 200
    assert endpoint.password(aftermath.client, "alice").status == 200


def ask(port: int, request: HostileRequest) -> RawAnswer | None:
    """The answer; None if none is required. `AssertionError` if a required one is missing."""
    may_be_missing = request.unfinished or len(request.wire) > MAX_SENT_AT_ONCE
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(request.wire)
            if request.abandoned:
                return None
            connection.settimeout(WITHOUT_HOPE if request.unfinished else PATIENCE)
            return read_answer(connection, request.wire)
        except (OSError, http.client.HTTPException):
            if not may_be_missing:
                raise
            return None


def read_answer(connection: socket.socket, sent: bytes) -> RawAnswer:
    answer = http.client.HTTPResponse(connection, method="HEAD" if sent[:4] == b"HEAD" else "GET")
    answer.begin()
    headers = [(name.lower(), value) for name, value in answer.getheaders()]
    return RawAnswer(answer.status, headers, answer.read())
