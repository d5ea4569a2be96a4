"""Where clients may act for people: `may_act` and `external_audiences`."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from issuer.clients.client_metadata import read_client_metadata
from issuer.database.tables import AudienceRow, ClientAudienceRow, RevokedPrincipalRow
from issuer.directory import ClientRecord, ExternalAudience, MayAct
from issuer.errors import InUse, InvalidField
from issuer.vocabulary import RegisteredBy
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.rows import rows

ELSEWHERE = {
    "issuer": "https://login.elsewhere.example",
    "resource": "https://elsewhere.example/mcp",
    "client_id": "ours",
    "scopes": ["tools:call"],
}
FOR_PEOPLE = {"grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"]}


def rule(from_audience: str, to_audience: str) -> dict[str, str]:
    return {"from": from_audience, "to": to_audience}


@pytest.fixture(autouse=True)
def audiences(deployment: Deployment) -> None:
    for each in ("support", "archive", "vault"):
        deployment.audience(each)


def acts(deployment: Deployment, client_id: str, *rules: tuple[str, str], **more: Any) -> None:
    """A client that acts so."""
    audiences = [to_audience for _, to_audience in rules]
    may_act = [rule(*each) for each in rules]
    deployment.client(client_id, audiences=audiences, may_act=may_act, **more)


def record(deployment: Deployment, client_id: str = "agents") -> ClientRecord:
    found = deployment.services.tokens.directory.load_client(client_id)
    assert found is not None
    return found


def update(deployment: Deployment, **patch: Any) -> None:
    with deployment.changing() as work:
        work.clients.update("agents", patch)


def test_the_directory_has_what_was_set(deployment: Deployment):
    acts(deployment, "agents", ("support", "archive"), external_audiences=[ELSEWHERE])
    found = record(deployment)
    assert found.may_act == {MayAct("support", "archive")}
    assert found.external_audiences == (
        ExternalAudience(
            "https://login.elsewhere.example",
            "https://elsewhere.example/mcp",
            "ours",
            frozenset({"tools:call"}),
        ),
    )


def test_what_is_read_can_be_written_again(deployment: Deployment):
    acts(deployment, "agents", ("support", "vault"), ("support", "archive"))
    update(deployment, external_audiences=[ELSEWHERE])
    with deployment.changing() as work:
        read = work.clients.get("agents").model_dump(mode="json")
        assert read["may_act"] == [rule("support", "archive"), rule("support", "vault")]
        assert read["external_audiences"] == [ELSEWHERE]
        again = {name: read[name] for name in ("may_act", "external_audiences", "audiences")}
        work.clients.update("agents", again)
    assert events(deployment, "client.updated")[-1].details["changed"] == []


@rows(
    ("rules", "message"),
    [
        ([rule("support", "my-os")], "my-os is not among the client's audiences"),
        ([rule("nowhere", "archive")], "nowhere"),
        ([rule(URL, "archive")], "may not be the issuer's own audience"),
        ([{"from": "support"}], "may_act.0.to"),
        ([{**rule("support", "archive"), "scope": "a"}], "may_act.0.scope"),
        ([{"from_audience": "support", "to_audience": "archive"}], "may_act.0.from"),
        ([rule(f"audience-{number}", "archive") for number in range(51)], "at most 50"),
        (["support=archive"], "may_act.0"),
    ],
)
def test_a_rule_between_other_audiences_is_refused(
    deployment: Deployment, rules: list[Any], message: str
):
    with pytest.raises(InvalidField, match=message):
        deployment.client("agents", audiences=["archive"], may_act=rules)


def test_nobody_acts_for_people_at_the_issuer_itself(deployment: Deployment):
    """No scope that counts there counts anywhere else."""
    with pytest.raises(InvalidField, match="may not be the issuer's own audience"):
        deployment.client("agents", audiences=[URL], may_act=[rule("support", URL)])


def test_an_audience_cannot_be_taken_from_a_client_that_acts_there(deployment: Deployment):
    acts(deployment, "agents", ("support", "archive"))
    with pytest.raises(InvalidField, match="archive is not among the client's audiences"):
        update(deployment, audiences=["vault"])
    update(deployment, audiences=["vault"], may_act=[])


@rows("members", [{"may_act": [rule("support", "archive")]}, {"external_audiences": [ELSEWHERE]}])
def test_only_clients_that_authenticate_act_for_people(
    deployment: Deployment, members: dict[str, Any]
):
    (name,) = members
    with pytest.raises(InvalidField, match=f"{name}: is for clients that authenticate"):
        deployment.client(
            "agents",
            audiences=["archive"],
            token_endpoint_auth_method="none",
            **FOR_PEOPLE,
            **members,
        )


@rows("members", [{"may_act": [rule("support", "archive")]}, {"external_audiences": [ELSEWHERE]}])
def test_a_client_that_registered_itself_never_acts_for_people(
    deployment: Deployment, members: dict[str, Any]
):
    (name,) = members
    more = {"audiences": ["archive"]} if name == "may_act" else {}
    fields = read_client_metadata({"redirect_uris": ["https://app.example/cb"]})
    with deployment.changing() as work:
        client_id = work.clients.register(fields, RegisteredBy.REGISTRATION).client_id
    with pytest.raises(InvalidField, match="registered itself"), deployment.changing() as work:
        work.clients.update(client_id, {**more, **members})


@rows(
    ("member", "value", "message"),
    [
        ("issuer", "http://login.elsewhere.example", "must be an https URL"),
        ("issuer", "http://127.0.0.1:9000", "only with an http ISSUER_URL"),
        ("issuer", "spiffe://cluster.local", "must be an https URL"),
        ("issuer", "https://a.example/?b=c", "may not have a query"),
        ("issuer", URL, "is this issuer"),
        ("resource", "elsewhere.example", "absolute URI"),
        ("resource", "https://elsewhere.example/#mcp", "without a fragment"),
        ("client_id", "", "must be printable ASCII"),
        ("client_id", "our\nid", "must be printable ASCII"),
        ("client_id", " ours", "must be printable ASCII"),
        ("scopes", ["tools call"], "must be printable ASCII"),
        ("scopes", ['"'], "must be printable ASCII"),
        ("scopes", [""], "must be printable ASCII"),
        ("scopes", [f"s{number}" for number in range(101)], "at most 100"),
        ("kind", "mcp", "is not a known member"),
    ],
)
def test_an_external_audience_is_a_resource_of_another_server(
    deployment: Deployment, member: str, value: object, message: str
):
    external = [{**ELSEWHERE, member: value}]
    with pytest.raises(InvalidField, match=f"external_audiences.0.{member}.*{message}"):
        deployment.client("agents", external_audiences=external)


def test_a_resource_of_another_server_is_listed_once(deployment: Deployment):
    """Otherwise it would be open as which client it is asked for."""
    twice = [ELSEWHERE, {**ELSEWHERE, "client_id": "another"}]
    with pytest.raises(InvalidField, match="twice"):
        deployment.client("agents", external_audiences=twice)


def test_a_rule_that_is_taken_away_ends_the_tokens_of_the_client(deployment: Deployment):
    acts(deployment, "agents", ("support", "archive"), ("support", "vault"))
    update(deployment, may_act=[rule("support", "vault"), rule("vault", "archive")])
    assert record(deployment).may_act == {MayAct("support", "vault"), MayAct("vault", "archive")}
    assert revoked_clients(deployment) == {"agents"}


def test_a_rule_that_is_added_ends_nothing(deployment: Deployment):
    acts(deployment, "agents", ("support", "archive"))
    update(deployment, may_act=[rule("support", "archive"), rule("vault", "archive")], name="x")
    assert revoked_clients(deployment) == set()


def revoked_clients(deployment: Deployment) -> set[str]:
    row = RevokedPrincipalRow
    with deployment.services.database.reading() as session:
        return set(session.scalars(select(row.id).where(row.kind == "client_id")))


@pytest.mark.parametrize("audience", ["support", "archive"])
def test_an_audience_in_a_rule_is_deleted_only_with_the_rule(deployment: Deployment, audience: str):
    acts(deployment, "agents", ("support", "archive"))
    with pytest.raises(InUse) as refused, deployment.changing() as work:
        work.audiences.delete(audience)
    assert "may_act of client agents" in refused.value.users_of_it
    with deployment.changing() as work:
        work.audiences.delete(audience, cascade=True)
    assert record(deployment).may_act == frozenset()
    assert "agents" in revoked_clients(deployment)


@pytest.mark.parametrize("audience", ["support", "archive"])
def test_a_program_that_does_not_know_rules_can_delete_their_audience(
    deployment: Deployment, audience: str
):
    """As 0.1.0 can: it removes the audience from clients, and then deletes it."""
    acts(deployment, "agents", ("support", "archive"))
    with deployment.services.database.changing() as session:
        named = ClientAudienceRow.audience_id == audience
        session.execute(delete(ClientAudienceRow).where(named))
        session.execute(delete(AudienceRow).where(AudienceRow.id == audience))
    assert not record(deployment).may_act


def test_an_id_used_again_brings_no_rule_back(deployment: Deployment):
    acts(deployment, "agents", ("support", "archive"))
    with deployment.changing() as work:
        work.clients.delete("agents")
    deployment.client("agents", audiences=["archive"])
    assert record(deployment).may_act == frozenset()


def acting_from(deployment: Deployment, audience_id: str) -> list[tuple[str, str]]:
    """With the tokens of a client that acts nowhere itself."""
    found = deployment.services.tokens.directory.load_acting_clients(
        record(deployment, deployment.admin.client_id), audience_id
    )
    return [(each.client_id, each.audience_id) for each in found]


def test_clients_act_from_an_audience_also_one_through_the_other(deployment: Deployment):
    acts(deployment, "agents", ("support", "archive"))
    acts(deployment, "archivist", ("archive", "vault"), ("archive", "support"))
    acts(deployment, "off", ("support", "vault"), disabled=True)
    assert acting_from(deployment, "support") == [
        ("agents", "archive"),
        ("archivist", "support"),
        ("archivist", "vault"),
    ]
    assert acting_from(deployment, "vault") == []


def test_clients_act_through_no_more_than_three(deployment: Deployment):
    """RFC 8693 §4.1: `act` is not nested deeper."""
    steps = [f"step-{number}" for number in range(5)]
    for each in steps:
        deployment.audience(each)
    for number in range(4):
        acts(deployment, f"client-{number}", (steps[number], steps[number + 1]))
    assert [to_audience for _, to_audience in acting_from(deployment, "step-0")] == steps[1:4]


def test_a_rule_is_known_within_a_second(deployment: Deployment):
    directory = deployment.services.tokens.directory
    deployment.client("agents", audiences=["archive"])
    deployment.services.tokens.changes.poll()
    assert directory.load_client("agents") is not None
    update(deployment, may_act=[rule("support", "archive")])
    deployment.wait(timedelta(milliseconds=250))
    assert directory.remembered_client("agents") is None
