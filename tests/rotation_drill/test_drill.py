"""A drill rehearses a rotation, and rotates only if every verifier accepts the new key."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import jwt
import pytest

from issuer.audit import EventFilter
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.keys import SigningKey
from issuer.keys.schedule import KeyState, state_at
from issuer.rotation_drill import Drill, DrillRequest, Report
from issuer.vocabulary import SigningAlgorithm
from tests.builders import OPERATOR, Deployment
from tests.rows import rows
from tests.verifiers.reporting import report as reported_by
from tests.verifying_servers import (
    Answering,
    KeySet,
    Reply,
    publishing,
    serving,
    verifying,
    without,
)

ES256 = SigningAlgorithm.ES256
FETCHED_AFTER = 601  # seconds: max-age, as long again for verifiers, and one to be published
READY_AFTER = timedelta(hours=24, minutes=1, seconds=1)


class Rehearsals:
    """Drills of one deployment, and the servers that it calls."""

    def __init__(self, deployment: Deployment, servers: ExitStack) -> None:
        self.deployment = deployment
        self.waited: list[float] = []
        self.messages: list[str] = []
        self._servers = servers
        self.jwks_url = self.server(publishing(self.key_set))
        self.client_id = deployment.client(scopes=["agents:read"]).client_id

    def server(self, answering: Answering) -> str:
        return self._servers.enter_context(serving(answering))

    def drill(self, *verifiers: str, **members: Any) -> Report:
        members = {"client_id": self.client_id, "jwks_url": self.jwks_url, **members}
        request = DrillRequest.read({"verifiers": list(verifiers), **members})
        return Drill(
            self.deployment.services.administration,
            self.deployment.services.tokens.issuer,
            OPERATOR,
            self._wait,
        ).run(request)

    def key_set(self) -> KeySet:
        return json.loads(self.deployment.services.keys.keyring.jwks.body)

    def older_key_set(self) -> KeySet:
        return without(self.new.kid, self.key_set())

    @property
    def old(self) -> SigningKey:
        return self.deployment.services.keys.keyring.active(ES256)

    @property
    def new(self) -> SigningKey:
        return self.deployment.services.keys.keyring.next_key(ES256)

    def events(self, action: str) -> list[dict[str, Any]]:
        """The newest first."""
        with self.deployment.services.administration.reading() as work:
            page = work.audit_log.page(EventFilter(action=action), None, 100)
        return [each.model_dump() for each in page]

    def _wait(self, seconds: float, reason: str) -> None:
        self.messages.append(reason)
        self.waited.append(seconds)
        self.deployment.wait(timedelta(seconds=seconds))


@pytest.fixture
def rehearsals(deployment: Deployment) -> Iterator[Rehearsals]:
    with ExitStack() as servers:
        yield Rehearsals(deployment, servers)


@pytest.fixture
def good(rehearsals: Rehearsals) -> str:
    return rehearsals.server(verifying(rehearsals.key_set))


@pytest.fixture
def outdated(rehearsals: Rehearsals) -> str:
    """A verifier that has not fetched the new key."""
    return rehearsals.server(verifying(rehearsals.older_key_set))


def test_if_all_checks_pass_the_old_key_stays_active(rehearsals: Rehearsals, good: str):
    old, new = rehearsals.old, rehearsals.new
    report = rehearsals.drill(good)
    assert report.ok
    assert report.verdict == f"All checks passed. The old key is active: {old.kid}."
    published, verified = report.before
    assert (published.url, published.kind) == (rehearsals.jwks_url, "key_set")
    assert published.saw == "has both keys"
    assert (verified.url, verified.old, verified.new, verified.forged) == (good, 200, 200, 401)
    assert (rehearsals.old, rehearsals.new) == (old, new)


def test_it_waits_until_verifiers_must_have_fetched_the_new_key(rehearsals: Rehearsals, good: str):
    rehearsals.drill(good)
    assert rehearsals.waited == [FETCHED_AFTER]
    (message,) = rehearsals.messages
    assert "announced at 2026-11-25 12:00:00 UTC" in message
    assert message.endswith("without it until 12:10:01: waiting 601 s.")


def test_it_does_not_wait_after_that_time(rehearsals: Rehearsals, good: str):
    rehearsals.deployment.wait(timedelta(seconds=FETCHED_AFTER))
    rehearsals.drill(good)
    assert (rehearsals.waited, rehearsals.messages) == ([], [])


def test_a_key_that_is_replaced_while_it_waits_is_not_the_one_drilled(
    rehearsals: Rehearsals, good: str
):
    """The old key is revoked meanwhile: the new one becomes active, and another is announced."""
    first, revoke = rehearsals.new, rehearsals.old.kid

    def wait(seconds: float, reason: str) -> None:
        rehearsals.messages.append(reason)
        rehearsals.deployment.wait(timedelta(seconds=seconds))
        if rehearsals.old.kid == revoke:
            with rehearsals.deployment.services.administration.changing_keys(OPERATOR) as work:
                work.keys.revoke(revoke)

    request = DrillRequest.read({"verifiers": [good], "jwks_url": rehearsals.jwks_url})
    drill = Drill(
        rehearsals.deployment.services.administration,
        rehearsals.deployment.services.tokens.issuer,
        OPERATOR,
        wait,
    )
    report = drill.run(request)
    assert report.keys.old.kid == first.kid
    assert len(rehearsals.messages) == 2


@pytest.mark.parametrize("rotate", [False, True])
def test_a_verifier_without_the_new_key_fails_the_drill(
    rehearsals: Rehearsals, good: str, outdated: str, rotate: bool
):
    rehearsals.deployment.wait(READY_AFTER)
    old = rehearsals.old
    report = rehearsals.drill(good, outdated, rotate=rotate)
    assert not report.ok
    assert report.verdict == f"1 of 3 checks failed. The old key is active: {old.kid}."
    assert [each.ok for each in report.before] == [True, True, False]
    assert report.before[2].saw == "refuses tokens of the new key: its key set is outdated"
    assert (report.rotated, list(report.after)) == (False, [])
    assert rehearsals.old == old


def test_a_copy_of_our_key_set_receives_no_token(rehearsals: Rehearsals):
    current = rehearsals.server(publishing(rehearsals.key_set))
    stale = rehearsals.server(publishing(rehearsals.older_key_set))
    report = rehearsals.drill(current, stale, client_id=None)
    assert [each.ok for each in report.before] == [True, True, False]
    assert report.before[2].saw == "lacks the new key"
    assert report.before[2].missing == (rehearsals.new.kid,)
    assert rehearsals.events("token.issued") == []


def test_a_missing_key_set_fails_the_drill(rehearsals: Rehearsals, good: str):
    nothing = rehearsals.server(lambda _: Reply(404))
    report = rehearsals.drill(good, jwks_url=nothing)
    assert report.before[0].saw == "answers 404 and publishes no keys; no token was sent"
    assert [each.ok for each in report.before] == [False, True]


def test_without_a_client_a_verifier_cannot_be_checked(rehearsals: Rehearsals, good: str):
    report = rehearsals.drill(good, client_id=None)
    assert not report.ok
    assert report.before[1].saw == "answers 401 and publishes no keys; no token was sent"


def test_a_server_that_accepts_every_token_does_not_verify(rehearsals: Rehearsals):
    report = rehearsals.drill(rehearsals.server(lambda _: Reply(200)))
    assert not report.ok
    assert report.before[1].saw.startswith("does not verify")


def test_the_tokens_differ_only_in_signature_and_jti(rehearsals: Rehearsals):
    """They have the claims that the token endpoint issues, and are valid for one minute."""
    sent: list[str] = []

    def watching(token: str | None) -> Reply:
        if token:
            sent.append(token)
        return Reply(401)

    rehearsals.drill(rehearsals.server(watching))
    headers = [jwt.get_unverified_header(token) for token in sent]
    kids = [rehearsals.old.kid, rehearsals.new.kid, rehearsals.new.kid]
    assert headers == [{"alg": "ES256", "kid": kid, "typ": "at+jwt"} for kid in kids]
    claims = [jwt.decode(token, options={"verify_signature": False}) for token in sent]
    assert all(each["exp"] - each["iat"] == 60 for each in claims)
    assert all(each["scopes"] == ["agents:read"] for each in claims)
    jtis = [each.pop("jti") for each in claims]
    assert claims[0] == claims[1] == claims[2]
    assert len(set(jtis)) == 3


def test_no_token_is_sent_before_its_audit_event_is_stored(rehearsals: Rehearsals):
    stored: list[bool] = []

    def looking(token: str | None) -> Reply:
        if token:
            jti = jwt.decode(token, options={"verify_signature": False})["jti"]
            events = rehearsals.events("token.issued")
            stored.append(jti in [each["details"]["jti"] for each in events])
        return Reply(401)

    rehearsals.drill(rehearsals.server(looking))
    assert stored == [True, True, False]  # a forged token is not issued


def test_the_drill_is_audited_with_hosts_only(rehearsals: Rehearsals, good: str):
    report = rehearsals.drill(f"{good}?key=hunter2", client_id=rehearsals.client_id)
    assert report.before[1].url == good
    (event,) = rehearsals.events("key.drilled")
    assert (event["target"], event["actor"]) == (rehearsals.new.kid, OPERATOR.id)
    host = good.removeprefix("http://").removesuffix("/agents")
    assert event["details"] == {"alg": "ES256", "ok": True, "rotated": False, "verifiers": [host]}


def test_it_rotates_and_checks_again(rehearsals: Rehearsals, good: str):
    rehearsals.deployment.wait(READY_AFTER)
    old, new = rehearsals.old, rehearsals.new
    report = rehearsals.drill(good, rotate=True)
    assert (report.ok, report.rotated) == (True, True)
    assert report.verdict == f"All checks passed. The new key is active: {new.kid}."
    assert [each.model_dump() for each in report.after] == [
        each.model_dump() for each in report.before
    ]
    keys, now = rehearsals.deployment.services.keys.keyring.keys, rehearsals.deployment.clock()
    assert rehearsals.old.kid == new.kid
    assert state_at(keys, old, now) is KeyState.RETIRED
    assert rehearsals.events("key.drilled")[0]["details"]["rotated"] is True


def test_it_does_not_rotate_before_the_key_may_sign(rehearsals: Rehearsals, good: str):
    old = rehearsals.old
    report = rehearsals.drill(good, rotate=True)
    assert (report.ok, report.rotated) == (False, False)
    assert report.verdict.startswith(
        "All checks passed, but the rotation was refused."
        f" The old key is active: {old.kid}. The next ES256"
    )
    assert "may not sign before 2026-11-26 12:01:01 UTC" in report.verdict
    assert rehearsals.old == old


def test_it_does_not_rotate_to_a_key_that_it_has_not_checked(rehearsals: Rehearsals):
    """Another rotation during the drill makes a further key the next one."""
    rehearsals.deployment.wait(READY_AFTER)
    verify = verifying(rehearsals.key_set)
    requests, new = [], rehearsals.new

    def dawdling(token: str | None) -> Reply:
        reply = verify(token)
        requests.append(token)
        if len(requests) == 4:
            with rehearsals.deployment.services.administration.changing_keys(OPERATOR) as work:
                work.keys.rotate(ES256)
            rehearsals.deployment.wait(READY_AFTER)
        return reply

    report = rehearsals.drill(rehearsals.server(dawdling), rotate=True)
    assert not report.ok
    assert report.refusal == "The keys changed during the drill. Run it again."
    assert rehearsals.old.kid == new.kid


def test_a_failure_after_the_rotation_is_reported(rehearsals: Rehearsals):
    """The rotation cannot be undone."""
    rehearsals.deployment.wait(READY_AFTER)
    old = rehearsals.old

    def failing_after_rotation(token: str | None) -> Reply:
        verify = verifying(rehearsals.key_set)
        return verify(token) if rehearsals.old == old else Reply(503)

    report = rehearsals.drill(rehearsals.server(failing_after_rotation), rotate=True)
    assert (report.ok, report.rotated) == (False, True)
    assert report.verdict == f"1 of 4 checks failed. The new key is active: {rehearsals.old.kid}."
    assert report.after[1].saw == "answers 503, which neither accepts nor refuses a token"


@rows(
    ("members", "field"),
    [
        ({"audience": "other-os"}, "audience"),
        ({"client_id": None, "audience": "my-os"}, "audience"),
        ({"alg": SigningAlgorithm.RS256}, "alg"),
        ({"jwks_url": "http://os.example"}, "jwks_url"),
        ({"verifiers": ["http://os.example"]}, "verifier"),
        ({"verifiers": []}, "verifiers"),
    ],
)
def test_an_invalid_request_is_refused_before_the_wait(
    rehearsals: Rehearsals, good: str, members: dict, field: str
):
    with pytest.raises(InvalidField) as error:
        rehearsals.drill(good, **members)
    assert error.value.field == field
    assert rehearsals.waited == []


def test_an_unknown_or_disabled_client_gets_no_token(rehearsals: Rehearsals, good: str):
    with pytest.raises(NotFound):
        rehearsals.drill(good, client_id="unknown")
    disabled = rehearsals.deployment.client(disabled=True)
    with pytest.raises(NotAllowed, match="is disabled"):
        rehearsals.drill(good, client_id=disabled.client_id)


def test_a_live_verifier_that_reported_to_lack_the_new_key_fails_the_drill(
    rehearsals: Rehearsals, good: str
):
    """Though nobody named it: the rotation would be refused."""
    rehearsals.deployment.wait(READY_AFTER)
    verifiers = rehearsals.deployment.services.protocol.verifiers
    verifiers.note(reported_by([rehearsals.old.kid]), "192.0.2.1")
    verifiers.write()
    new = rehearsals.new
    report = rehearsals.drill(good, rotate=True)
    assert not report.ok
    *passed, failed = report.before
    assert all(each.ok for each in passed)
    assert (failed.url, failed.kind, failed.missing) == ("my-os at 192.0.2.1", "report", (new.kid,))
    assert rehearsals.new == new
