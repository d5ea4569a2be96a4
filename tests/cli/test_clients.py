"""`issuer client`."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import update

from issuer.database.tables import ClientSecretRow
from tests.builders import URL
from tests.cli.driver import Cli
from tests.oauth.exchanging import EXCHANGE

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def ci_bot(cli: Cli) -> dict[str, object]:
    cli.done("audience", "create", "my-os")
    return cli.json("client", "create", "ci-bot", "--audience", "my-os")


def test_a_secret_is_shown_when_it_is_made_and_never_again(cli: Cli, ci_bot: dict[str, object]):
    second = cli.json("client", "secret", "create", "ci-bot", "--label", "github")
    third = cli.done("client", "secret", "create", "ci-bot")
    assert str(ci_bot["client_secret"]).startswith("ais_")
    assert second["client_secret"].startswith("ais_")
    assert third.count("ais_") == 1
    for command in ("list", "show ci-bot", "secret list ci-bot", "role list ci-bot"):
        for form in ([], ["--json"]):
            assert "ais_" not in cli.done("client", *command.split(), *form)


def test_a_secret_is_printed_for_kubernetes(cli: Cli, ci_bot: dict[str, object]):
    printed = cli.done("client", "secret", "create", "ci-bot", "--output", "kubernetes")
    secret = yaml.safe_load(printed)
    credentials = secret.pop("stringData")
    assert secret == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "ci-bot"},
        "type": "Opaque",
    }
    assert credentials["issuer"] == URL
    with cli.composition() as composition:
        assert composition.tokens.client_authentication.from_database(
            credentials["client_id"],
            credentials["client_secret"],
            composition.clock(),
            is_last=True,
        )


def test_the_list_of_secrets_says_which_are_expired_or_never_used(
    cli: Cli, ci_bot: dict[str, object]
):
    short = cli.json("client", "secret", "create", "ci-bot", "--expires-at", "1h")
    assert [each["state"] for each in listed(cli)] == ["never used", "never used"]
    row = ClientSecretRow
    with cli.composition() as composition, composition.database.transaction() as session:
        now = composition.clock()
        session.execute(update(row).where(row.id == short["id"]).values(expires_at=now))
        session.execute(update(row).where(row.id != short["id"]).values(last_used_at=now))
    assert [each["state"] for each in listed(cli)] == ["active", "expired"]
    assert " expired " in cli.done("client", "secret", "list", "ci-bot")


def listed(cli: Cli) -> list[dict[str, object]]:
    return cli.json("client", "secret", "list", "ci-bot")["items"]


@pytest.mark.parametrize(
    ("client_id", "name"),
    [("CI.Bot@corp", "ci-bot-corp"), ("--", "client"), ("a" * 62 + ".b", "a" * 62)],
)
def test_the_name_of_a_kubernetes_secret_is_a_dns_label(cli: Cli, client_id: str, name: str):
    cli.done("client", "create", "--", client_id)
    printed = cli.done("client", "secret", "create", "--output", "kubernetes", "--", client_id)
    assert yaml.safe_load(printed)["metadata"]["name"] == name


def test_secrets_are_listed_and_deleted_by_id(cli: Cli, ci_bot: dict[str, object]):
    made = cli.json(
        "client", "secret", "create", "ci-bot", "--label", "github", "--expires-at", "2036-01-31"
    )
    made.pop("client_secret")
    assert made["expires_at"] == "2036-01-31T00:00:00Z"
    first, second = cli.json("client", "secret", "list", "ci-bot")["items"]
    assert (first["label"], second) == ("", {**made, "state": "never used"})
    deleted = cli.json("client", "secret", "delete", "ci-bot", made["id"])
    assert deleted == {"deleted": made["id"]}
    assert cli.json("client", "secret", "list", "ci-bot")["items"] == [first]
    assert "There is no secret" in cli("client", "secret", "delete", "ci-bot", made["id"]).sentence
    assert "is in the past" in (
        cli("client", "secret", "create", "ci-bot", "--expires-at", "2020-01-01").sentence
    )


ELSEWHERE = (
    '{"issuer": "https://login.example", "resource": "urn:mcp", "client_id": "x", "scopes": ["a"]}'
)


def test_every_member_has_an_option(cli: Cli, ci_bot: dict[str, object]):
    options = "--name Bot --audience my-os --scope agents:run --scope teams:read"
    options += " --grant-type password --grant-type client_credentials --access-token-ttl 5m"
    options += ' --claims {"tenant":"a"} --may-set-session --disabled'
    options += ' --scopes-expire-at {"teams:read":"2099-03-01T00:00:00Z"}'
    options += " --backchannel-logout-uri https://app.example/logout"
    options += " --logout-session-required --dpop-bound"
    acting = ["--may-act", "my-os=my-os", "--external-audience", ELSEWHERE]
    created = cli.json("client", "create", "other", *options.split(), *acting)
    assert {
        name: created[name] for name in created if name not in {"created_at", "updated_at"}
    } == {
        "client_id": "other",
        "name": "Bot",
        "audiences": ["my-os"],
        "scopes": ["agents:run", "teams:read"],
        "scopes_expire_at": {"teams:read": "2099-03-01T00:00:00Z"},
        "grant_types": ["password", "client_credentials"],
        "access_token_ttl": 300,
        "claims": {"tenant": "a"},
        "may_set_session": True,
        "dpop_bound_access_tokens": True,
        "token_endpoint_auth_method": "client_secret_basic",
        "jwks": None,
        "jwks_uri": None,
        "trusts": [],
        "may_act": [{"from": "my-os", "to": "my-os"}],
        "external_audiences": [json.loads(ELSEWHERE)],
        "redirect_uris": [],
        "post_logout_redirect_uris": [],
        "require_pushed_authorization_requests": False,
        "require_pkce": True,
        "backchannel_logout_uri": "https://app.example/logout",
        "backchannel_logout_session_required": True,
        "first_party": False,
        "user_rights": "own",
        "registered_by": "admin",
        "disabled": True,
        "client_secret": created["client_secret"],
    }


def test_an_update_changes_the_named_members_only(cli: Cli, ci_bot: dict[str, object]):
    cli.done("audience", "create", "other-os")
    update = ["client", "update", "ci-bot"]
    cli.done(*update, "--scope", "agents:run", "--may-set-session", "--disabled")
    assert cli.json(*update, "--add-audience", "other-os")["audiences"] == ["my-os", "other-os"]
    assert cli.json(*update, "--remove-audience", "my-os")["audiences"] == ["other-os"]
    assert cli.json(*update, "--enabled")["disabled"] is False
    changed = cli.json(*update, "--add-scope", "teams:read", "--no-session")
    assert changed["scopes"] == ["agents:run", "teams:read"]
    assert changed["may_set_session"] is False
    assert changed["audiences"] == ["other-os"]


def test_a_new_client_that_cannot_act_for_people_yet_is_told_the_command(
    cli: Cli, ci_bot: dict[str, object]
):
    agents = ["client", "create", "agents", "--audience", "my-os", "--scope", "agents:run"]
    created = cli.done(*agents, "--may-act", "my-os=my-os")
    command = f"issuer client update agents --add-grant-type {EXCHANGE}"
    assert f"It cannot act for people yet. Add the grant type with `{command}`." in created
    others = ["client", "create", "others", *agents[3:], "--may-act", "my-os=my-os"]
    assert "cannot act" not in cli.done(*others, "--grant-type", EXCHANGE)


def test_a_client_that_acts_with_the_rights_of_people_is_not_said_to_need_scopes(cli: Cli):
    cli.done("audience", "create", "my-os")
    both = ["--grant-type", "client_credentials", "--grant-type", EXCHANGE]
    agents = ["--audience", "my-os", "--may-act", "my-os=my-os", *both]
    assert "no scopes yet" in cli.done("client", "create", "limited", *agents)
    all_rights = cli.done("client", "create", "agents", *agents, "--user-rights", "all")
    assert "no scopes yet" not in all_rights


def test_what_is_shown_of_an_external_audience_can_be_pasted(cli: Cli, ci_bot: dict[str, object]):
    cli.done("client", "update", "ci-bot", "--external-audience", ELSEWHERE)
    (shown,) = re.findall(r"{.*}", cli.done("client", "show", "ci-bot"))
    cli.done("client", "update", "ci-bot", "--remove-external-audience", shown, "--yes")
    assert cli.json("client", "show", "ci-bot")["external_audiences"] == []


def test_where_a_client_acts_for_people_is_replaced_or_added_to(
    cli: Cli, ci_bot: dict[str, object]
):
    cli.done("audience", "create", "other-os")
    update = ["client", "update", "ci-bot"]
    added = cli.json(*update, "--add-may-act", "other-os=my-os")
    assert added["may_act"] == [{"from": "other-os", "to": "my-os"}]
    assert cli.json(*update, "--remove-may-act", "other-os=my-os", "--yes")["may_act"] == []
    refused = cli(*update, "--remove-may-act", "other-os=my-os")
    assert "There is no may-act 'other-os=my-os'" in refused.sentence
    both = ["--may-act", "other-os=my-os", "--may-act", "my-os=my-os"]
    changed = cli.json(*update, *both, "--external-audience", ELSEWHERE)
    assert changed["may_act"] == [
        {"from": "my-os", "to": "my-os"},
        {"from": "other-os", "to": "my-os"},
    ]
    assert cli.json(*update, "--external-audience", "", "--yes")["external_audiences"] == []
    added = cli.json(*update, "--add-external-audience", ELSEWHERE)
    assert added["external_audiences"] == [json.loads(ELSEWHERE)]
    added = cli.json(*update, "--add-grant-type", EXCHANGE)
    assert added["grant_types"] == ["client_credentials", EXCHANGE]
    emptied = cli.json(*update, "--may-act", "", "--external-audience", "", "--yes")
    assert (emptied["may_act"], emptied["external_audiences"]) == ([], [])


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--may-act", "my-os", "must be FROM=TO"),
        ("--may-act", "=my-os", "must be FROM=TO"),
        ("--external-audience", "urn:mcp", "must be a JSON object"),
        ("--external-audience", "[]", "must be a JSON object"),
    ],
)
def test_where_a_client_acts_for_people_has_a_form(
    cli: Cli, option: str, value: str, sentence: str
):
    refused = cli("client", "update", "ci-bot", option, value)
    assert refused.status == 2
    assert sentence in " ".join(refused.err.split())


def test_an_unknown_audience_or_grant_is_refused(cli: Cli):
    assert "there is no audience 'nowhere'" in (
        cli("client", "create", "ci-bot", "--audience", "nowhere").sentence
    )
    assert cli("client", "create", "ci-bot", "--grant-type", "implicit").status == 2


def test_an_id_is_made_if_none_is_given(cli: Cli):
    assert cli.json("client", "create")["client_id"].startswith("client_")


def test_roles_are_assigned_and_unassigned(cli: Cli, ci_bot: dict[str, object]):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    there = ["ci-bot", "runner", "--audience", "my-os"]
    assert cli.json("client", "role", "assign", *there) == {
        "assigned": {"role": "runner", "audience": "my-os", "expires_at": None}
    }
    cli.done("client", "role", "assign", *there)
    cli.done("client", "role", "assign", "ci-bot", "runner", "--everywhere")
    assert cli.json("client", "role", "list", "ci-bot")["items"] == [
        {"role": "runner", "audience": None, "expires_at": None, "via": None},
        {"role": "runner", "audience": "my-os", "expires_at": None, "via": None},
    ]
    assert cli.done("client", "role", "unassign", *there, "--yes") == (
        "The role runner is unassigned from ci-bot, at my-os.\n"
    )
    assert "no assignment" in cli("client", "role", "unassign", *there, "--yes").sentence
    assert "in use by ci-bot" in cli("role", "delete", "runner").sentence
    cli.done("role", "delete", "runner", "--cascade", "--yes")
    assert cli.json("client", "role", "list", "ci-bot")["items"] == []


def test_a_role_is_assigned_for_some_hours(cli: Cli, ci_bot: dict[str, object]):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    there = ["client", "role", "assign", "ci-bot", "runner", "--audience", "my-os"]
    begun = datetime.now(UTC)
    said = cli.done(*there, "--for", "8h", "--reason", "Ticket 4711")
    (role,) = cli.json("client", "role", "list", "ci-bot")["items"]
    end = datetime.fromisoformat(role["expires_at"])
    assert abs(end - begun - timedelta(hours=8)) < timedelta(minutes=5)
    until = f"{end:%Y-%m-%d %H:%M} UTC"
    assert said == f"The role runner is assigned to ci-bot, at my-os, until {until}.\n"
    assert f"{end:%Y-%m-%dT%H:%M:%SZ}" in cli.done("client", "role", "list", "ci-bot")
    cli.done(*there, "--expires-at", "2099-03-01")
    (role,) = cli.json("client", "role", "list", "ci-bot")["items"]
    assert role["expires_at"] == "2099-03-01T00:00:00Z"
    cli.done(*there)
    (role,) = cli.json("client", "role", "list", "ci-bot")["items"]
    assert role["expires_at"] is None
    events = cli.json("audit", "list", "--action", "role.assigned", "--target", "ci-bot")["items"]
    assert [each["details"].get("reason") for each in events] == [None, None, "Ticket 4711"]


def test_an_assignment_has_one_end_which_is_to_come(cli: Cli, ci_bot: dict[str, object]):
    cli.done("role", "create", "runner")
    there = ["client", "role", "assign", "ci-bot", "runner", "--everywhere"]
    assert cli(*there, "--for", "8h", "--expires-at", "2099-03-01").status == 2
    assert "is in the past" in cli(*there, "--expires-at", "2020-03-01").sentence
    assert cli.json("client", "role", "list", "ci-bot")["items"] == []


@pytest.mark.parametrize("verb", ["assign", "unassign"])
def test_an_assignment_names_an_audience_or_everywhere(
    cli: Cli, ci_bot: dict[str, object], verb: str
):
    """Neither must not mean everywhere, and both would be a contradiction."""
    cli.done("role", "create", "runner")
    for where in ([], ["--audience", "my-os", "--everywhere"]):
        refused = cli("client", "role", verb, "ci-bot", "runner", *where)
        assert (refused.status, refused.out) == (2, "")
        assert "name either one audience or everywhere" in refused.err
    assert cli.json("client", "role", "list", "ci-bot")["items"] == []


def test_a_client_is_created_with_its_roles(cli: Cli):
    for audience in ("my-os", "other-os"):
        cli.done("audience", "create", audience)
    cli.done("role", "create", "runner", "--scope", "agents:run")
    both = ["--audience", "my-os", "--audience", "other-os"]
    cli.json("client", "create", "ci-bot", *both, "--role", "runner")
    assert cli.json("client", "role", "list", "ci-bot")["items"] == [
        {"role": "runner", "audience": "my-os", "expires_at": None, "via": None},
        {"role": "runner", "audience": "other-os", "expires_at": None, "via": None},
    ]
    assert cli("client", "create", "no-audience", "--role", "runner").status == 2
    no_role = cli("client", "create", "no-role", "--audience", "my-os", "--role", "unknown")
    assert "no role 'unknown'" in no_role.sentence
    assert "no client" in cli("client", "show", "no-role").sentence


@pytest.mark.parametrize("verb", ["list", "assign", "unassign"])
def test_a_role_of_an_unknown_client_or_user_is_one_sentence(cli: Cli, verb: str):
    cli.done("role", "create", "runner")
    cli.done("user", "create", "alice", "--id", "alice")
    role = [] if verb == "list" else ["runner", "--everywhere"]
    for kind, name in [("client", "alice"), ("user", "issuer-admin"), ("client", "unknown")]:
        sentence = cli(kind, "role", verb, name, *role).sentence
        assert sentence == f"There is no {kind} {name!r}. See `issuer {kind} list`."


def test_a_client_for_people_is_created_and_changed(cli: Cli, ci_bot: dict[str, object]):
    made = cli.json(
        *shlex.split("""client create app --audience my-os --grant-type authorization_code
            --redirect-uri https://app.example/cb --auth-method none --user-rights all
            --post-logout-redirect-uri https://app.example/bye""")
    )
    assert "client_secret" not in made
    assert made["redirect_uris"] == ["https://app.example/cb"]
    assert made["post_logout_redirect_uris"] == ["https://app.example/bye"]
    assert (made["token_endpoint_auth_method"], made["user_rights"]) == ("none", "all")
    assert cli.json("client", "update", "app", "--first-party")["first_party"]
    refused = cli("client", "create", "x", "--grant-type", "authorization_code")
    assert "redirect_uris" in refused.sentence


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], ["issuer client update new --add-audience ID"]),
        (["--audience", "my-os"], ["issuer client role assign new ROLE --audience my-os"]),
        (
            ["--audience", "my-os", "--redirect-uri", "https://app.example/cb"],
            [
                "issuer client role assign new ROLE --audience my-os",
                "issuer client update new --user-rights all",
            ],
        ),
        (
            ["--auth-method", "private_key_jwt", "--audience", "my-os", "--role", "runner"],
            ["issuer client key create new --out FILE", "issuer client trust add new …"],
        ),
        (["--audience", "my-os", "--role", "runner"], ["issuer token --client-id new"]),
        (["--audience", "my-os", "--scope", "agents:run"], ["issuer token --client-id new"]),
        (
            ["--audience=my-os", "--redirect-uri=https://app.example/cb", "--user-rights=all"],
            [],
        ),
    ],
)
def test_a_new_client_is_said_to_lack_what_it_needs(
    cli: Cli, ci_bot: dict[str, object], options: list[str], said: list[str]
):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    printed = cli.done("client", "create", "new", *options)
    assert re.findall("`(issuer [^`]+)`", printed) == said
    assert "issuer client" not in json.dumps(cli.json("client", "create", "other", *options))


def test_a_client_with_a_redirect_uri_is_for_people(cli: Cli):
    uri = ["--redirect-uri", "http://127.0.0.1/callback"]
    made = cli.json("client", "create", "app", "--public", *uri)
    assert made["grant_types"] == ["authorization_code", "refresh_token"]
    assert made["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in made
    named = cli.json("client", "create", "b", *uri, "--grant-type", "authorization_code")
    assert named["grant_types"] == ["authorization_code"]
    assert cli.json("client", "create", "c")["grant_types"] == ["client_credentials"]
    both = ["--public", "--auth-method", "client_secret_basic"]
    assert cli("client", "create", "d", *uri, *both).status == 2
    assert "no client" in cli("client", "show", "d").sentence


def test_a_metadata_document_can_be_pinned(cli: Cli, tmp_path: Path):
    url, file = "https://app.example/client.json", tmp_path / "client.json"
    document = {"client_id": url, "redirect_uris": ["https://app.example/callback"]}
    file.write_text(json.dumps(document))
    pinned = cli.json("client", "pin", url, "-f", str(file))
    assert (pinned["client_id"], pinned["registered_by"]) == (url, "metadata")
    assert cli.json("client", "show", url)["user_rights"] == "all"
    file.write_text(json.dumps({**document, "client_id": "https://other.example/"}))
    assert "client_id: is not the URL" in cli("client", "pin", url, "-f", str(file)).sentence
    assert "must be https" in cli("client", "pin", "http://app.example/", "-f", str(file)).sentence
    cli.done("client", "delete", url)


def test_a_new_client_is_shown_with_what_was_given(cli: Cli, ci_bot: dict[str, object]):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    printed = cli.done("client", "create", "new", "--audience", "my-os", "--role", "runner")
    shown, _, once = printed.partition("\n\n")
    assert [line.split() for line in shown.splitlines()] == [
        ["client_id", "new"],
        ["audiences", "my-os"],
        ["roles", "runner"],
    ]
    assert re.match(r"client_secret: ais_\w+\nIt is shown only once\.\n\nGet a token with", once)
    assert {"grant_types", "created_at"} < cli.json("client", "create").keys()


def test_the_list_says_on_80_columns_what_one_looks_for(cli: Cli, ci_bot: dict[str, object]):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("client", "role", "assign", "ci-bot", "runner", "--audience", "my-os")
    cli.done("client", "create", "--audience", "my-os", "--scope", "teams:run", "--disabled")
    with cli.composition() as composition, composition.database.changing() as session:
        used = update(ClientSecretRow).where(ClientSecretRow.client_id == "ci-bot")
        session.execute(used.values(last_used_at=datetime(2026, 2, 3, 4, 5, tzinfo=UTC)))
    lines = cli.on_terminal(80, "client", "list")
    table = {words[0]: words[1:] for line in lines if len(words := line.split()) > 1}
    assert table["client"] == ["id", "state", "last", "used", "roles", "and", "scopes"]
    assert table["ci-bot"] == ["enabled", "2026-02-03", "runner"]
    generated = next(name for name in table if name.startswith("client_"))
    assert table[generated] == ["disabled", "-", "teams:run"]
    first = cli.json("client", "list")["items"][0]
    assert (first["roles"], first["last_used_at"]) == (["runner"], "2026-02-03T04:05:00Z")
    assert first["token_endpoint_auth_method"] == "client_secret_basic"
