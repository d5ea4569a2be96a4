"""Commands that pages show beside those of declarations: the command line and the API have them."""

import shlex
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import typer

from issuer.admin.api import RESOURCES
from issuer.audiences import AUDIENCE
from issuer.cli import program
from issuer.clients.client import CLIENT
from issuer.clients.operations import CLIENT_ROLES, SECRETS, TRUSTS, add_trust, explain_token
from issuer.clients.trust import Trust
from issuer.explain.commands import explain, preview
from issuer.explain.explaining import Question
from issuer.operations import commands
from issuer.resources import Command
from issuer.roles import Assignment
from issuer.roles.operations import AssignmentName, UnassignmentDetails, assign_command

ROOT = typer.main.get_command(program.app)


def parse(command: str) -> str:
    """The name of the command, whose arguments and options are read; nothing is run."""
    _, *words = shlex.split(command)
    names, found, context = ["issuer"], ROOT, ROOT.make_context("issuer", words)
    while hasattr(found, "resolve_command") and (
        words := [*context._protected_args, *context.args]
    ):
        name, found, rest = found.resolve_command(context, words)
        names.append(name)
        context = found.make_context(name, rest, parent=context)
    return " ".join(names)


def routes_of(method: str, path: tuple[str, ...]) -> list[str]:
    """The routes of the admin API that take such a request."""
    routes: list[Any] = [route for resource in RESOURCES for route in resource.routes]
    return [
        route.path
        for route in routes
        if method in route.methods and route.path_regex.match(f"/{'/'.join(path)}")
    ]


def constants(module: ModuleType) -> Iterator[Command]:
    yield from (each for each in vars(module).values() if isinstance(each, Command))


def shown() -> Iterator[Command]:
    yield from constants(commands)
    yield commands.audit_events(["--since", "1h"], {"since": "2026-01-01T00:00:00Z"})
    yield commands.propose("ci-bot")
    yield from (commands.rotate_keys("RS256", force=force) for force in (True, False))
    yield from (commands.revoke_key(kid) for kid in ("4v7h", "-4v7h"))
    yield commands.inspect("my-os")
    yield commands.connect("https://os.example/mcp")
    yield commands.first_client("my-os")
    yield commands.token("https://id.example")
    yield from (CLIENT.list_command(), CLIENT.show_command("ci-bot"))
    yield CLIENT.create_command("ci-bot", {"client_id": "ci-bot"}, [])
    yield CLIENT.update_command("ci-bot", {"disabled": True, "audiences": ["a", "b"], "scopes": []})
    added = CLIENT.members["may_act"].words("may_act", [{"from": "a", "to": "b"}], "add")
    yield CLIENT.update_command("ci-bot", {"may_act": [{"from": "a", "to": "b"}]}, added)
    yield from (AUDIENCE.delete_command("my-os", cascade=cascade) for cascade in (True, False))
    yield from (SECRETS.list_command("ci-bot"), CLIENT_ROLES.part.list_command("ci-bot"))
    yield assign_command(CLIENT, "ci-bot", Assignment(role="reader", audience="my-os"), "why")
    everywhere = AssignmentName(role="reader", everywhere=True)
    why = UnassignmentDetails(reason="why")
    yield CLIENT_ROLES.unassign.command("ci-bot", everywhere, fields=why)
    yield explain_token("ci-bot")
    trust = Trust(issuer="mesh", subject="web", audience="x", claims={"a": "b"}, once=True)
    yield add_trust("ci-bot", trust)
    yield Command(TRUSTS.command("list", "ci-bot"))
    yield preview("ci-bot", user="alice", audience="my-os")
    question = {"client_id": "ci-bot", "method": "GET", "path": "/agents"}
    behalf = {"user_id": "alice", "audience": "other-os", "client_id": "web"}
    yield explain(Question.read(question), "my-os")
    yield explain(Question.read({**question, "on_behalf_of": behalf}), "my-os")


def test_the_command_line_and_the_admin_api_have_what_pages_show(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "issuer.yaml").write_text("")
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    (tmp_path / "secret").write_text("secret")
    for command in shown():
        assert parse(str(command))
        if command.method:
            assert len(routes_of(command.method, command.path)) == 1, command
    for example in commands.EXAMPLES.values():
        assert all(map(parse, example.splitlines()))


def test_it_would_be_noticed_if_one_did_not_exist():
    for command in ("issuer role create x --nope", "issuer roles list", "issuer role show"):
        with pytest.raises(typer.exceptions.TyperException):
            parse(command)
    assert routes_of("GET", ("roles", "reader", "nope")) == []
    assert routes_of("PUT", ("roles",)) == []


def test_each_function_of_the_module_is_tested():
    own = {name for name, each in vars(commands).items() if callable(each) and name.islower()}
    tested = {"audit_events", "propose", "rotate_keys", "revoke_key", "inspect"}
    tested |= {"connect", "first_client", "token"}
    assert own == tested
