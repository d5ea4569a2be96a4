"""Signed statements of where the chains end."""

import json
from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.jwk import import_key
from sqlalchemy import select, update

from issuer.audit.checkpoints import Statement
from issuer.composition import compose
from issuer.database.tables import AuditCheckpointRow, AuditEventRow, SigningKeyRow
from tests.audit.conftest import Recorded
from tests.builders import OPERATOR, FakeClock


def test_a_checkpoint_is_signed_by_the_active_key_and_names_what_has_grown(recorded: Recorded):
    recorded.server("1", "2")
    token = recorded.services.audit.checkpoints.make()
    assert token is not None
    key = recorded.services.keys.keyring.active(recorded.services.settings.signing_algorithms[0])
    signed = jws.deserialize_compact(token, import_key(dict(key.public_jwk)), ["ES256"])
    assert signed.headers()["typ"] == "audit-checkpoint+jwt"
    first = Statement.of(token)
    assert (first.issuer, first.number, first.previous) == ("https://id.example", 1, None)
    assert sorted(end.seq for end in first.ends.values())[0] == 2
    assert "changes" in first.ends
    assert recorded.services.audit.checkpoints.make() == token, "nothing is new"
    recorded.server("3")
    second = Statement.of(recorded.services.audit.checkpoints.make() or "")
    assert ("changes" in second.ends, len(second.ends)) == (False, 1)


def test_no_resource_server_accepts_a_checkpoint_as_a_token(recorded: Recorded):
    token = recorded.services.audit.checkpoints.make()
    assert token is not None
    claims = json.loads(jws.extract_compact(token.encode()).payload)
    assert claims["exp"] == 0
    assert not claims.keys() & {"sub", "aud", "scope", "scopes"}


def test_processes_do_not_repeat_each_other(recorded: Recorded, clock: FakeClock):
    other = compose(recorded.services.settings, clock)
    other.keys.keyring.reload()
    recorded.server("1")
    first = recorded.services.audit.checkpoints.make()
    recorded.server("2")
    assert other.audit.checkpoints.make(unless_since=clock() - timedelta(minutes=1)) == first
    clock.move(timedelta(minutes=2))
    second = other.audit.checkpoints.make(unless_since=clock() - timedelta(minutes=1))
    assert second != first
    assert recorded.services.audit.checkpoints.make() == second
    other.database.dispose()


def test_checkpoints_outlive_the_keys_that_signed_them(recorded: Recorded, clock: FakeClock):
    services = recorded.services
    kept = services.audit.checkpoints.make()
    clock.move(timedelta(days=31))
    services.keys.keyring.reconcile()
    recorded.change("a")
    services.audit.checkpoints.make()
    clock.move(timedelta(days=31))
    services.keys.keyring.reconcile()
    with services.administration.changing_keys(OPERATOR) as work:
        active = services.keys.keyring.active(services.settings.signing_algorithms[0])
        work.keys.revoke(active.kid)
    services.audit.checkpoints.make()
    assert sum(not key.is_usable for key in services.keys.keyring.keys) >= 2
    found = recorded.verify(kept or "")
    assert (found.finding, found.checkpoints) == (None, 3)


def test_a_key_whose_row_was_changed_verifies_no_checkpoint(recorded: Recorded, clock: FakeClock):
    services = recorded.services
    services.audit.checkpoints.make()
    clock.move(timedelta(days=63))
    services.keys.keyring.reconcile()
    destroyed = next(key for key in services.keys.keyring.keys if not key.is_usable)
    other = next(key for key in services.keys.keyring.keys if key.is_usable)
    with services.database.engine.begin() as connection:
        of_it = SigningKeyRow.kid == destroyed.kid
        changed = {"public_jwk": {**other.public_jwk, "kid": destroyed.kid}}
        connection.execute(update(SigningKeyRow).where(of_it).values(changed))
    services.keys.keyring.reload()
    assert recorded.verify().finding.checkpoint == 1


def test_a_server_checkpoints_when_it_stops_however_new_the_last_one_is(recorded: Recorded):
    services = recorded.services
    services.background.start()
    services.audit.checkpoints.make()
    recorded.change("a")
    services.background.stop()
    found = recorded.verify()
    assert (found.ok, found.unanchored) == (True, 0)


def test_missing_rows_and_checkpoints_are_logged_at_the_next_checkpoint(
    recorded: Recorded, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    def logged_at_checkpoint() -> str:
        recorded.services.audit.checkpoints.make()
        # The destination depends on whether an earlier test has configured the log.
        return caplog.text + capsys.readouterr().out

    recorded.change("a", "b")
    recorded.services.audit.checkpoints.make()
    with recorded.services.database.engine.begin() as connection:
        last = select(AuditEventRow.id).order_by(AuditEventRow.id.desc()).limit(1)
        connection.execute(
            AuditEventRow.__table__.delete().where(AuditEventRow.id == last.scalar_subquery())
        )
    assert "audit_events_missing" in logged_at_checkpoint()
    with recorded.services.database.engine.begin() as connection:
        connection.execute(AuditCheckpointRow.__table__.delete())
    assert "audit_checkpoints_missing" in logged_at_checkpoint()
