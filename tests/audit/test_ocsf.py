"""Events by the names of OCSF, checked against its schema."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from issuer.audit import AuditEvent
from issuer.audit.ocsf import OCSF_VERSION, as_ocsf
from tests.audit.conftest import Recorded
from tests.rows import rows

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "audit-ocsf.md"
ROWS = re.findall(r"^\| (`.*?`) \| (\d+) (.*?) \| (\d+) ", PAGE.read_text(), re.M)
ACTIONS = [(name, *rest) for names, *rest in ROWS for name in re.findall("`(.*?)`", names)]


def event(action: str, **more: Any) -> AuditEvent:
    members = {
        "id": 7,
        "at": datetime(2026, 11, 27, 12, tzinfo=UTC),
        "actor": "ci-bot",
        "action": action,
        "target": "usr_1",
        "outcome": "done",
        "reason": None,
        "request_id": "r-1",
        "address": "192.0.2.7",
        "count": 1,
        "details": {"audience": "my-os", "role": "runner"},
        "chain": "changes",
        "seq": 3,
        "hash": "00" * 32,
    }
    return AuditEvent(**members | more)


@cache
def schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION))


@cache
def validator(class_uid: int) -> Callable[[dict[str, Any]], None]:
    """Of a class, with no attribute that it does not have; not one of those that are deprecated."""
    name = schema().lookup_class_name_from_uid(class_uid=class_uid)
    return jsonschema.Draft202012Validator(schema().get_class_schema(name, profiles=[])).validate


def require_valid(members: dict[str, Any]) -> None:
    validator(members["class_uid"])(json.loads(json.dumps(members)))


@rows("action", [action for action, *_ in ACTIONS] + ["anything.else"])
def test_every_action_is_an_event_of_the_schema(action: str):
    for more in (
        {},
        {"actor": None, "target": None, "address": None, "request_id": None},
        {"outcome": "refused", "reason": "unknown client", "address": "2001:db8::/64", "count": 9},
    ):
        require_valid(as_ocsf(event(action, **more)))


@rows(("action", "class_uid", "caption", "activity"), ACTIONS)
def test_the_page_says_the_class_and_the_activity(
    action: str, class_uid: str, caption: str, activity: str
):
    found = as_ocsf(event(action))
    assert (found["class_uid"], found["class_name"]) == (int(class_uid), caption)
    assert found["activity_id"] == int(activity)
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]


def test_an_event_keeps_who_what_and_why():
    refused = as_ocsf(event("token.refused", outcome="refused", reason="unknown client"))
    assert refused["status"] == "Failure"
    assert refused["status_detail"] == "unknown client"
    assert refused["actor"]["user"]["uid"] == "ci-bot"
    assert refused["user"]["uid"] == "usr_1"
    assert refused["src_endpoint"] == {"ip": "192.0.2.7"}
    assert refused["time"] == 1795780800000
    assert refused["metadata"]["uid"] == "00" * 32
    assert refused["metadata"]["correlation_uid"] == "r-1"
    assert refused["unmapped"]["details"] == {"audience": "my-os", "role": "runner"}


@rows(
    ("more", "activity"),
    [
        ({"action": "user.password_set", "actor": "usr_1"}, "Password Change"),
        ({"action": "user.password_set"}, "Password Reset"),
        ({"action": "user.updated", "details": {"to": {"disabled": True}}}, "Disable"),
        ({"action": "user.updated", "details": {"to": {"disabled": False}}}, "Enable"),
        ({"action": "user.updated", "details": {"to": {"name": "Alice"}}}, "user.updated"),
    ],
)
def test_the_activity_on_an_account_says_what_changed(more: dict[str, Any], activity: str):
    found = as_ocsf(event(**more))
    assert found["activity_name"] == activity
    require_valid(found)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_real_events_are_valid(recorded: Recorded):
    recorded.change("reader")
    recorded.server("1")
    with recorded.services.administration.reading() as work:
        events = work.audit_log.changes(50)
    assert len(events) > 5
    for each in events:
        require_valid(as_ocsf(each))
