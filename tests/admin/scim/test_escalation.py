"""No sequence of requests gives rights at the issuer, or changes an account that has them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.authority.credentials import MembersNotKept
from issuer.authority.store import PrivilegeSnapshot
from issuer.composition import UnitOfWork
from issuer.database.tables import UserRow
from issuer.roles import Assignment
from tests.admin.scim.driver import PATCH, Scim, scim_of
from tests.authority.test_new_privileges import can_sign_in
from tests.builders import PASSWORD, URL, Deployment
from tests.drivers import TokenDriver

AUDITOR = Assignment(role="auditor", audience=URL)
PEOPLE = ("ann", "ben", "cat")
TEAMS = ("red", "blue")
numbers = count(1)

people, teams = st.sampled_from(PEOPLE), st.sampled_from(TEAMS)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "active": st.booleans(),
        "emails": st.just([{"value": "mallory@example.org", "primary": True}]),
        "externalId": st.sampled_from(["1", "2"]),
        "displayName": st.sampled_from(["Ann", "Root"]),
        "password": st.just("a password of the attacker"),
        "roles": st.just([{"value": "auditor"}]),
        "groups": st.just([{"value": "grp"}]),
        "id": st.just("usr_chosen"),
    },
)
by_scim = st.one_of(
    st.tuples(st.just("create"), people, attributes),
    st.tuples(st.just("replace"), people, people, attributes),
    st.tuples(st.just("patch"), people, people, attributes),
    st.tuples(st.just("delete"), people),
    st.tuples(st.just("create group"), teams, st.sets(people)),
    st.tuples(st.just("replace group"), teams, teams, st.sets(people)),
    st.tuples(st.sampled_from(["add", "remove"]), teams, people),
    st.tuples(st.just("delete group"), teams),
)
by_admin = st.tuples(
    st.sampled_from(["promote", "demote", "join", "leave"]), st.one_of(people, teams), teams
)


@dataclass
class ManagedCompany:
    """People and groups by what they are called at first, in one example."""

    deployment: Deployment
    scim: Scim
    prefix: str
    ids: dict[str, str]

    @classmethod
    def new(cls, deployment: Deployment, scim: Scim) -> "ManagedCompany":
        prefix = f"{next(numbers)}-"
        ids = {name: deployment.user(prefix + name, password=None) for name in PEOPLE}
        ids |= {name: deployment.group(prefix + name, [ids["ann"]]) for name in TEAMS}
        company = cls(deployment, scim, prefix, ids)
        for name in ("ben", "red"):  # so ann has rights by her group, and cat has none
            company.administer("promote", name, name)
        return company

    def request(self, do: str, *about: Any) -> None:
        """One request of the provisioning client; what it makes replaces what was deleted."""
        named, ids = self.prefix, self.ids
        match do, *about:
            case "create", name, sent:
                self._created(name, "/Users", {"userName": named + name, **sent})
            case "replace", name, other, sent:
                self.scim("PUT", f"/Users/{ids[name]}", json={"userName": named + other, **sent})
            case "patch", name, other, sent:
                sent = {"userName": named + other, **sent}
                self._patch(f"/Users/{ids[name]}", {"op": "replace", "value": sent})
            case "create group", name, members:
                self._created(name, "/Groups", self._group(name, members))
            case "replace group", name, other, members:
                self.scim("PUT", f"/Groups/{ids[name]}", json=self._group(other, members))
            case "add", name, member:
                value = [{"value": ids[member]}]
                operation = {"op": "add", "path": "members", "value": value}
                self._patch(f"/Groups/{ids[name]}", operation)
            case "remove", name, member:
                operation = {"op": "remove", "path": f'members[value eq "{ids[member]}"]'}
                self._patch(f"/Groups/{ids[name]}", operation)
            case "delete", name:
                self.scim("DELETE", f"/Users/{ids[name]}")
            case "delete group", name:
                self.scim("DELETE", f"/Groups/{ids[name]}")

    def administer(self, do: str, name: str, team: str) -> None:
        """What an administrator does with those that are still there."""
        with self.deployment.changing() as work:
            id_, group = self.ids[name], self.ids[team]
            if not (self._is_there(work, name) and self._is_there(work, team)):
                return
            if do == "promote":
                work.assignments.assign(id_, AUDITOR)
            elif do == "demote":
                if any(each.role == "auditor" for each in work.assignments.of(id_)):
                    work.assignments.unassign(id_, AUDITOR)
            elif name in PEOPLE:
                (work.groups.add_members if do == "join" else work.groups.remove_members)(
                    group, [id_]
                )

    def _is_there(self, work: UnitOfWork, name: str) -> bool:
        kind = work.users if name in PEOPLE else work.groups
        return kind.exists(self.ids[name])

    def privileged(self) -> tuple[PrivilegeSnapshot, dict[str, Any]]:
        """Who has rights at the issuer, and these accounts as they are stored."""
        with self.deployment.services.administration.reading() as work:
            snapshot = work.authority.privilege_snapshot()
            rows = work._session.query(UserRow).filter(UserRow.folded_id.in_(snapshot.holders))
            columns = [each.name for each in UserRow.__table__.columns]
            return snapshot, {
                row.id: {name: getattr(row, name) for name in columns} for row in rows
            }

    def _created(self, name: str, path: str, body: Any) -> None:
        answer = self.scim("POST", path, json=body)
        if answer.status_code == 201:
            self.ids[name] = answer.json()["id"]

    def _group(self, name: str, members: set[str]) -> dict[str, Any]:
        values = [{"value": self.ids[each]} for each in members]
        return {"displayName": self.prefix + name, "members": values}

    def _patch(self, path: str, operation: dict[str, Any]) -> None:
        self.scim("PATCH", path, json={"schemas": [PATCH], "Operations": [operation]})


@pytest.fixture(scope="module")
def founded(shared: Deployment) -> Callable[[], ManagedCompany]:
    shared.role("auditor", ["issuer:audit:read"])
    scim = scim_of(shared, TokenDriver(shared.http))
    return lambda: ManagedCompany.new(shared, scim)


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            by_scim.map(lambda each: ("scim", each)), by_admin.map(lambda each: ("admin", each))
        ),
        min_size=1,
        max_size=14,
    )
)
def test_requests_neither_give_rights_nor_change_who_has_them(
    founded: Callable[[], ManagedCompany], steps: list[tuple[str, Any]]
):
    company = founded()
    for who, step in steps:
        if who == "admin":
            with suppress(MembersNotKept):  # of members whom the client put into the group
                company.administer(*step)
            continue
        before = company.privileged()
        company.request(*step)
        assert company.privileged() == before, step


@pytest.fixture
def founders(deployment: Deployment) -> str:
    deployment.role("auditor", ["issuer:audit:read"])
    return deployment.user("alice", password=PASSWORD)


def test_an_account_that_got_another_name_begins_clean(
    scim: Scim, deployment: Deployment, founders: str
):
    """Otherwise a person whom SCIM gave the name of a future administrator would be one."""
    scim.patch(f"/Users/{founders}", {"op": "replace", "path": "userName", "value": "root"})
    assert can_sign_in(deployment, "root", PASSWORD)
    with deployment.changing() as work:
        work.assignments.assign(founders, AUDITOR)
    assert not can_sign_in(deployment, "root", PASSWORD)


def test_the_provisioning_client_itself_is_changed_by_administrators_only(deployment: Deployment):
    """`issuer:scim` is a right at the issuer: nobody else may give its secrets away."""
    client = deployment.client(scopes=["issuer:scim"], audiences=[URL])
    with deployment.services.administration.reading() as work:
        assert client.client_id in work.authority.privilege_snapshot().holders
