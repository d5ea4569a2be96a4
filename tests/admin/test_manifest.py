"""`/manifest`: plan, apply and export over REST, as on the command line (tests/manifest)."""

from collections.abc import Callable
from resource import RUSAGE_CHILDREN, getrusage

import httpx
import pytest
import yaml

from tests.builders import Deployment
from tests.drivers import AdminApi, problem
from tests.manifest.declaring import MANIFEST, exported
from tests.rows import rows

YAML = "application/yaml"
SECTIONS = ("audiences", "trusted-issuers", "roles", "clients", "users", "groups")
READ = [f"issuer:{section}:read" for section in SECTIONS]


def send(admin: AdminApi, what: str, source: str | bytes, **request: object) -> httpx.Response:
    headers = {"Content-Type": YAML, **request.pop("headers", {})}
    return admin("POST", f"/manifest/{what}", content=source, headers=headers, **request)


def test_the_export_equals_that_of_the_command_line(deployment: Deployment, admin: AdminApi):
    send(admin, "apply", MANIFEST)
    as_yaml = admin.get("/manifest", headers={"Accept": YAML})
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert as_yaml.text == exported(deployment.services)
    as_json = admin.get("/manifest")
    assert as_json.json() == yaml.safe_load(as_yaml.text)


@pytest.mark.parametrize("accept", [YAML, "application/json"])
def test_applying_an_export_changes_nothing(admin: AdminApi, accept: str):
    send(admin, "apply", MANIFEST)
    exported = admin.get("/manifest", headers={"Accept": accept})
    answer = send(admin, "plan", exported.content, headers={"Content-Type": accept})
    assert (answer.json()["changes"], answer.json()["rights"]) == ([], [])


def test_a_plan_lists_changes_and_makes_none(deployment: Deployment, admin: AdminApi):
    before = exported(deployment.services)
    planned = send(admin, "plan", MANIFEST)
    assert planned.status_code == 200
    assert {"action": "create", "kind": "role", "id": "runner"}.items() <= next(
        each for each in planned.json()["changes"] if each["kind"] == "role"
    ).items()
    assert {
        "kind": "client",
        "id": "ci-bot",
        "audience": "prod-os",
        "gains": ["agents:run"],
        "losses": [],
    } in planned.json()["rights"]
    assert exported(deployment.services) == before


def test_new_secrets_and_ids_are_returned_once(admin: AdminApi):
    applied = send(admin, "apply", MANIFEST).json()
    assert applied["client_secrets"]["ci-bot"].startswith("ais_")
    assert admin.get(f"/users/{applied['user_ids']['alice']}").json()["username"] == "alice"
    again = send(admin, "apply", MANIFEST).json()
    assert (again["changes"], again["client_secrets"], again["user_ids"]) == ([], {}, {})


def test_if_match_applies_only_the_plan_that_was_read(admin: AdminApi):
    seen = send(admin, "plan", MANIFEST).headers["etag"]
    admin.post("/roles", name="meanwhile", scopes=[])
    refused = send(admin, "apply", MANIFEST, headers={"If-Match": seen})
    assert problem(refused) == (412, "precondition-failed")
    assert admin.get("/roles/runner").status_code == 404
    seen = send(admin, "plan", MANIFEST).headers["etag"]
    assert send(admin, "apply", MANIFEST, headers={"If-Match": seen}).status_code == 200


def test_nothing_is_pruned_without_prune(admin: AdminApi):
    admin.post("/roles", name="left-over", scopes=[])
    roles = MANIFEST[: MANIFEST.index("clients:")]
    send(admin, "apply", roles)
    assert admin.get("/roles/left-over").status_code == 200
    send(admin, "apply", roles, params={"prune": "true"})
    assert admin.get("/roles/left-over").status_code == 404


def test_all_errors_are_listed_with_their_lines(admin: AdminApi):
    refused = send(admin, "apply", "roles:\n  - nam: a\n  - name: b\n    scopes: [':']\n")
    assert problem(refused) == (422, "invalid-fields")
    assert [(each["line"], each["field"]) for each in refused.json()["errors"]] == [
        (2, "roles[0].nam"),
        (2, "roles[0].name"),
        (4, "roles[1].scopes[0]"),
    ]


@rows(("source", "line"), [(b"", 1), (b"roles: [\n", 2), (b"roles: \xff", 1), (b"- a", 1)])
def test_a_body_that_is_no_manifest_is_refused(admin: AdminApi, source: bytes, line: int):
    refused = send(admin, "plan", source)
    assert problem(refused) == (422, "invalid-fields")
    assert refused.json()["errors"][0]["line"] == line


def test_other_media_types_are_415(admin: AdminApi):
    refused = send(admin, "plan", MANIFEST, headers={"Content-Type": "text/plain"})
    assert problem(refused) == (415, "unsupported-media-type")


def test_a_manifest_over_the_limit_is_413(admin: AdminApi):
    refused = send(admin, "plan", b"#" * (1024 * 1024 + 1))
    assert problem(refused) == (413, "body-too-large")


@rows("missing", READ)
def test_reading_needs_the_read_scopes_of_all_sections(
    holder_of: Callable[..., AdminApi], missing: str
):
    weak = holder_of(*(scope for scope in READ if scope != missing))
    for answer in (
        weak.get("/manifest"),
        send(weak, "plan", MANIFEST),
        send(weak, "apply", MANIFEST),
    ):
        assert problem(answer) == (403, "forbidden")
        assert missing in answer.headers["www-authenticate"]


def test_each_step_needs_the_write_scope_of_its_section(
    deployment: Deployment, holder_of: Callable[..., AdminApi]
):
    reader = holder_of(*READ, "issuer:roles:write")
    assert send(reader, "plan", MANIFEST).status_code == 200
    before = exported(deployment.services)
    assert problem(send(reader, "apply", MANIFEST)) == (403, "forbidden")
    assert exported(deployment.services) == before
    only_roles = "roles:\n  - name: runner\n    scopes: [agents:run]\n"
    assert send(reader, "apply", only_roles).status_code == 200


def test_only_an_admin_declares_rights_at_the_issuer(holder_of: Callable[..., AdminApi]):
    writer = holder_of(*(scope.replace(":read", ":write") for scope in READ))
    refused = send(writer, "apply", "roles:\n  - name: boss\n    scopes: ['issuer:admin']\n")
    assert problem(refused) == (403, "forbidden")


def test_the_schema_can_be_read_with_any_scope(holder_of: Callable[..., AdminApi]):
    found = holder_of("issuer:roles:read").get("/manifest/schema").json()
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = {section.replace("-", "_") for section in SECTIONS}
    assert set(found["properties"]) == sections


@pytest.fixture
def large() -> str:
    """A manifest that is planned in a separate process."""
    rest = [f"  - name: role-{n:04}\n    scopes: [agents:run]\n" for n in range(800)]
    head, _, tail = MANIFEST.partition("roles:\n")
    assert tail
    return f"{head}roles:\n{''.join(rest)}{tail}"


def seconds_of_children() -> float:
    return getrusage(RUSAGE_CHILDREN).ru_utime


@pytest.mark.slow
def test_a_large_manifest_is_planned_in_a_separate_process(admin: AdminApi, large: str):
    """There it uses neither time nor memory of the server."""
    before = seconds_of_children()
    assert send(admin, "plan", MANIFEST).status_code == 200
    assert seconds_of_children() == before
    planned = send(admin, "plan", large)
    assert seconds_of_children() > before
    assert planned.status_code == 200
    assert "role-0799" in [each["id"] for each in planned.json()["changes"]]
    before = seconds_of_children()
    applied = send(admin, "apply", large, headers={"If-Match": planned.headers["etag"]})
    assert seconds_of_children() > before
    assert applied.status_code == 200
    assert {**applied.json(), **planned.json()} == applied.json()
    assert send(admin, "plan", large).json()["changes"] == []


@pytest.mark.slow
def test_problems_of_a_large_manifest_have_their_lines(admin: AdminApi, large: str):
    refused = send(admin, "plan", large + "wrong: 1\n")
    assert problem(refused) == (422, "invalid-fields")
    [error] = refused.json()["errors"]
    assert (error["field"], error["line"]) == ("wrong", large.count("\n") + 1)


def test_planning_a_large_manifest_needs_the_read_scopes_of_all_sections(
    holder_of: Callable[..., AdminApi], large: str
):
    refused = send(holder_of("issuer:roles:read"), "plan", large)
    assert problem(refused) == (403, "forbidden")


def test_a_misspelled_scope_is_refused_with_its_line_unless_it_is_allowed(admin: AdminApi):
    odd = "roles: [{name: reader, scopes: [agent:read]}]"
    for what in ("plan", "apply"):
        (error,) = send(admin, what, odd).json()["errors"]
        assert (error["field"], error["line"]) == ("roles[0].scopes[0]", 1)
        assert "did you mean agents:read?" in error["message"]
    allowed = send(admin, "apply", odd, params={"allow_unknown_scopes": "true"})
    assert allowed.status_code == 200
    assert admin.get("/roles/reader").json()["scopes"] == ["agent:read"]
