"""Each audit event reads as a sentence, with names instead of ids."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import issuer
from issuer.audit import AuditEvent
from issuer.audit.actions import ACTION_NAMES, require_action
from issuer.audit.sentences import in_words, principals_of, sentence
from issuer.groups import GroupFields
from issuer.oauth.client_endpoint import ClientEndpoint
from tests.builders import Deployment
from tests.rows import rows

NAMES = {"usr_1": "alice", "usr_2": "bob", "grp_1": "Leads (grp_1)"}
TEXT = st.text(max_size=20) | st.just("x" * 300)


def event(action: str, **members: Any) -> AuditEvent:
    usual = {
        **dict.fromkeys(("actor", "target", "reason", "request_id", "address")),
        **{"id": 1, "at": datetime(2026, 11, 30, tzinfo=UTC), "outcome": "done", "count": 1},
        **{"details": {}, "chain": "changes", "seq": 1, "hash": ""},
    }
    return AuditEvent.model_validate({**usual, "action": action, **members})


@rows(
    ("action", "members", "words"),
    {
        "a role at an audience": (
            "role.assigned",
            {
                "actor": "usr_1",
                "target": "ticket-router",
                "details": {"role": "web-runner", "audience": "support"},
            },
            "alice assigned the role web-runner to ticket-router at support",
        ),
        "a role everywhere": (
            "role.unassigned",
            {"actor": "cli:root", "target": "grp_1", "details": {"role": "r", "audience": None}},
            "cli:root unassigned the role r from Leads (grp_1) everywhere",
        ),
        "a role that ends": (
            "role.assigned",
            {
                "actor": "usr_1",
                "target": "ticket-router",
                "details": {"role": "r", "audience": "a", "expires_at": "2026-12-08T20:40:00Z"},
            },
            "alice assigned the role r to ticket-router at a until 2026-12-08 20:40 UTC",
        ),
        "a token of a service": (
            "token.issued",
            {"actor": "ci-bot", "target": "ci-bot", "details": {"audience": "my-os"}},
            "ci-bot got a token for my-os",
        ),
        "a token for a person": (
            "token.issued",
            {"actor": "desk", "target": "usr_1", "details": {"audience": "my-os"}},
            "desk got a token for my-os on behalf of alice",
        ),
        "an exchanged token": (
            "token.issued",
            {"actor": "c", "target": "usr_1", "details": {"actors": ["c", "a"]}},
            "c got a token on behalf of alice through a, then c",
        ),
        "many refusals of nobody": (
            "token.refused",
            {"outcome": "refused", "reason": "unknown client", "count": 1200, "target": "x"},
            "An unauthenticated caller was refused a token as x: unknown client (1,200 times)",
        ),
        "members that changed": (
            "client.updated",
            {"actor": "usr_1", "target": "ci-bot", "details": {"changed": ["name", "scopes"]}},
            "alice changed name, scopes of the client ci-bot",
        ),
        "a user disabled": (
            "user.updated",
            {
                "actor": "usr_1",
                "target": "usr_2",
                "details": {"changed": ["disabled"], "to": {"disabled": True}},
            },
            "alice disabled the user bob",
        ),
        "a deleted user, whose name nobody has": (
            "user.deleted",
            {"actor": "usr_1", "target": "usr_3", "details": {"username": "carol"}},
            "alice deleted the user carol (usr_3)",
        ),
        "a resource with the id of a user": (
            "role.created",
            {"actor": "usr_1", "target": "usr_2"},
            "alice created the role usr_2",
        ),
        "what one did to oneself": (
            "factor.added",
            {"actor": "usr_1", "target": "usr_1", "details": {"kind": "totp"}},
            "alice added a second factor (totp)",
        ),
        "a group member": (
            "group.member_added",
            {"actor": "usr_1", "target": "grp_1", "details": {"user_id": "usr_2"}},
            "alice added bob to the group Leads (grp_1)",
        ),
        "an action of another version": (
            "moon.landed",
            {"actor": "usr_1", "target": "usr_2"},
            "alice: moon.landed usr_2",
        ),
    },
)
def test_an_event_reads_as_a_sentence(action: str, members: dict[str, Any], words: str):
    assert in_words(event(action, **members), NAMES) == words


def test_a_name_in_a_sentence_has_the_id_of_its_principal():
    parts = sentence(event("user.unlocked", actor="usr_1", target="usr_2"), NAMES)
    assert [(part.text, part.id) for part in parts if part.is_name] == [
        ("alice", "usr_1"),
        ("bob", "usr_2"),
    ]


@given(
    st.sampled_from([*ACTION_NAMES, "moon.landed"]),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.dictionaries(
        st.sampled_from(
            ["audience", "role", "client_id", "kind", "username", "reason", "user_id", "given_by"]
        ),
        st.none() | st.booleans() | TEXT | st.lists(TEXT, max_size=7),
        max_size=3,
    ),
)
def test_every_event_is_one_printable_line_of_bounded_length(
    action: str,
    actor: str | None,
    target: str | None,
    reason: str | None,
    details: dict[str, Any],
):
    """Whatever those who are refused have typed."""
    this = event(action, actor=actor, target=target, reason=reason, details=details)
    line = in_words(this, {})
    assert line.isprintable()
    assert sum(len(part.text) for part in sentence(this, {})) < 1_000
    assert all(isinstance(each, str) for each in principals_of(this))


def test_every_action_that_the_code_writes_has_a_sentence():
    assert {each for each in _written() if each not in ACTION_NAMES} == set()


def _written() -> Iterator[str]:
    """The actions of calls; what ends one, of a resource of any kind."""
    verbs = {each.partition(".")[2] for each in ACTION_NAMES}
    for file in Path(issuer.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts = [
                each.value
                for argument in node.args
                for each in ast.walk(argument)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            if name in {"note", "_note", "Event", "refused"}:
                yield from (each for each in texts if "." in each.strip("."))
            if name in {"_note", "_added"}:
                words = (each for each in texts if re.fullmatch("[a-z_]*[a-z]", each))
                yield from (f"client.{each}" for each in words if each not in verbs)
    yield from (f"{each.name}.refused" for each in ClientEndpoint.__subclasses__())


@rows("action", ["client.creatd", "Client.created", ""])
def test_an_unknown_action_is_refused_with_the_name_most_like_it(action: str):
    assert require_action("client.created") == "client.created"
    with pytest.raises(ValueError, match="There is no action") as refused:
        require_action(action)
    if action:
        assert "Did you mean client." in str(refused.value)


def test_a_name_that_could_be_another_principal_is_followed_by_its_id(deployment: Deployment):
    """Or that reads like more of the sentence."""
    deployment.client("ci-bot")
    deployment.user("alice", id="usr_1")
    deployment.user("CI-bot", id="usr_2")
    deployment.user("alice unlocked bob", id="usr_3")
    deployment.user("dora", id="Dora")
    with deployment.changing() as work:
        work.groups.create(GroupFields(id="grp_1", name="Leads"))
    with deployment.services.administration.reading() as work:
        ids = ["usr_1", "usr_2", "usr_3", "Dora", "grp_1", "ci-bot", "cli:root"]
        found = work.audit_log.names(ids, ("user", "group"))
        assert work.audit_log.names(ids, ()) == {}
    assert found == {
        "usr_1": "alice",
        "usr_2": "CI-bot (usr_2)",
        "usr_3": "alice unlocked bob (usr_3)",
        "Dora": "dora",
        "grp_1": "Leads (grp_1)",
    }
