"""All errors of a file are reported at once, with their lines; nothing is guessed."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import yaml

from issuer.fields.usernames import fold_username
from issuer.manifest import read, schema
from issuer.manifest.parsing import MAX_BYTES, parse
from tests.manifest.declaring import problems

# Some YAML parsers read these as a boolean, a number, a date or null.
TEXTS = ["yes", "No", "on", "OFF", "y", "tRUE", "none", "0900", "0o17", "0x1F", "0b1", "1_000"]
TEXTS += ["+1", ".5", "5.", "1e", ".inf", ".nan", "12:30", "12:30:45", "=", "agents:run", "a#b"]
TEXTS += ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00"]
LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]

BROKEN = {
    "members and types": (
        """\
audiences:
  - id: my-os
    name: 7
    signing_alg: HS256
    access_token_ttl: 59
roles:
  - name: runner
    scopes:
      - agents:run
      - agents::run
    colour: blue
  - description: without a name
clients:
  - client_id: a
    disabled: yes
    access_token_ttl: 0900
    claims:
      sub: me
  - name: Without an id
    roles:
      - role: runner
        audience: [my-os]
      - runner
users:
  - username: " alice"
    password: secret
users_too: []
""",
        [
            "3: audiences[0].name: must be a string; quote it if it looks like another type",
            "4: audiences[0].signing_alg: Input should be 'RS256', 'PS256', 'ES256', 'EdDSA' or"
            " 'Ed25519'",
            "5: audiences[0].access_token_ttl: must be 60 to 86400 seconds",
            "10: roles[0].scopes[1]: must be resource:action,",
            "11: roles[0].colour: is not a known member",
            "12: roles[1].name: is required",
            "15: clients[0].disabled: must be true or false",
            "16: clients[0].access_token_ttl: must be a number with a unit, such as 900s",
            "17: clients[0].claims: sub is set by the issuer",
            "19: clients[1].client_id: is required",
            "22: clients[1].roles[0].audience: must be a string",
            "23: clients[1].roles[1]: must be a mapping",
            "25: users[0].username: may not begin or end with a space",
            "26: users[0].password: is not a known member",
            "27: users_too: is not a known member",
        ],
    ),
    "YAML without an equivalent in JSON": (
        """\
roles:
  - &first
    name: runner
  - *first
  - <<: {name: other}
  - name: !!str other
    name: again
    ? [a, b]
    : c
  - !role
    name: x
""",
        [
            "2: roles[0]: anchors are not supported",
            "4: roles[1]: aliases are not supported; write the value out",
            '5: roles[2]."<<": merge keys are not supported',
            "5: roles[2].name: is required",
            "6: roles[3].name: tags are not supported",
            "7: roles[3].name: is repeated, first on line 6",
            '8: roles[3]."": a key must be a string',
            "10: roles[4]: tags are not supported",
        ],
    ),
    "names taken twice": (
        """\
audiences: [{id: my-os}, {id: My-OS}, {id: my-os}]
roles: [{name: runner}, {name: runner}]
clients:
  - client_id: ci-bot
  - client_id: CI-Bot
users:
  - id: Ci-bot
    username: zoë
  - username: ＺＯË
  - username: ß
  - username: ss
""",
        [
            "1: audiences[2].id: is taken by audiences[0].id on line 1",
            "2: roles[1].name: is taken by roles[0].name on line 2",
            "5: clients[1].client_id: is taken by clients[0].client_id on line 4",
            "7: users[0].id: is taken by clients[0].client_id on line 4",
            "9: users[1].username: is taken by users[0].username on line 8",
            "11: users[3].username: is taken by users[2].username on line 10",
        ],
    ),
    "sections of the wrong shape": (
        "audiences:\nroles: {}\nclients: none\nusers: [null]\n",
        [
            "1: audiences: must be a list",
            "2: roles: must be a list",
            "3: clients: must be a list",
            "4: users[0]: must be a mapping",
        ],
    ),
    "an error before a syntax error": (
        "roles:\n  - name: a\n    name: b\n  - {\n",
        ["3: roles[0].name: is repeated, first on line 2", "5: cannot be read as YAML: "],
    ),
    "a tab": ("roles:\n\t- name: a\n", ["2: tabs cannot indent; use spaces"]),
    "two documents": ("roles: []\n---\nroles: []\n", ["2: only one document is allowed"]),
    "nothing": ("# nothing\n", ["1: is empty"]),
    "no mapping": ("- roles\n", ["1: must be a mapping"]),
    "NUL": ("roles: []\nusers: [\0]\n", ["2: the character U+0000 is not allowed in YAML"]),
    "NUL in disguise": (
        'roles:\n  - name: "a\\0"\n    description: "\\0"\n',
        ["2: roles[0].name: must be 1 to 128", "3: roles[0].description: may not hold control"],
    ),
    "a long key": (f"'{'k' * 500}': 1\n", [f'1: "{"k" * 60}…": is not a known member']),
    "a key that would forge a line": (
        '"a\\nissuer.yaml:9: b\\e[31m": 1\n',
        ['1: "a\\nissuer.yaml:9: b\\u001b[31m": is not a known member'],
    ),
    "a long number": (f"users: {'9' * 5000}\n", ["1: users: is too long for a number"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_all_errors_are_reported_with_their_lines(case: str):
    text, expected = BROKEN[case]
    found = problems(text)
    assert len(found) == len(expected), found
    for lines, beginning in zip(found, expected, strict=True):
        assert lines.startswith(f"issuer.yaml:{beginning}")


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("case", BROKEN)
def test_both_parsers_report_the_same_places(case: str, loader: Any):
    """PyYAML may be installed without its C parser."""
    found = parse(BROKEN[case][0], loader=loader).problems
    assert {(each.line, each.path) for each in found} == {
        (each.line, each.path) for each in parse(BROKEN[case][0]).problems
    }


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        *((text, text) for text in TEXTS),
    ],
)
def test_a_value_is_typed_as_in_json_or_else_a_string(plain: str, value: object, loader: Any):
    read_value = parse(f"a: {plain}\n", loader=loader).data["a"]
    assert (type(read_value), read_value) == (type(value), value)
    in_quotes = parse(f"a: '{plain}'\n{plain or '~'}: b\n", loader=loader).data
    assert in_quotes == {"a": plain, plain or "~": "b"}


@pytest.mark.parametrize("loader", LOADERS)
def test_nesting_is_limited(loader: Any):
    for text in ("[" * 200_000, "{a: " * 200_000, "- " * 200_000, "? " * 200_000):
        assert "nest" in str(parse(text, loader=loader).problems[-1])


def test_every_alias_of_a_billion_laughs_attack_is_refused():
    lines = ["a: &a [x]"] + [f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcd", "bcde", strict=True)]
    lines = problems("\n".join(lines))
    assert len([each for each in lines if "aliases" in each]) == 8


def test_the_size_of_a_file_is_limited():
    comment = b"#" * (MAX_BYTES - 11)
    assert problems(b"roles: []\n" + comment + b"\n") == []
    assert problems(b"roles: []\n" + comment + b"#\n") == [
        f"issuer.yaml:1: is larger than {MAX_BYTES} bytes"
    ]
    assert read(b"roles: []\n" + comment + b"#\n", max_bytes=MAX_BYTES + 1)


def test_the_number_of_values_is_limited():
    lines = problems("clients: [" + "1," * 1_000_000 + "]")
    assert lines == ["issuer.yaml:1: has too many values"]


def test_a_file_is_utf_8_with_or_without_a_bom():
    assert problems("\ufeffroles: []\n".encode()) == []
    assert problems(b"roles: []\n# \xe9\n") == ["issuer.yaml:2: is not UTF-8"]
    assert problems("roles: []\n".encode("utf-16"))[0] == "issuer.yaml:1: is not UTF-8"


def test_a_thousand_problems_are_listed_and_the_rest_counted():
    lines = problems("roles:\n" + "  - 1\n" * 3_000)
    assert len(lines) == 1_001
    assert lines[-1] == "issuer.yaml: and 2000 more"


MEMORY = """
import sys
from resource import RUSAGE_SELF, getrusage
from issuer.manifest import InvalidManifest, read
before = getrusage(RUSAGE_SELF).ru_maxrss
try:
    read(sys.argv[1] + "[" + "[]," * 170_000 + "]")
except InvalidManifest:
    print((getrusage(RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("where", ["clients: ", "clients:\n- client_id: a\n  roles: "])
def test_half_a_megabyte_of_nothing_but_errors_takes_little_memory(where: str):
    """The values take 45 MB. An error takes a kilobyte, if it is kept."""
    command = [sys.executable, "-c", MEMORY, where]
    assert int(subprocess.run(command, capture_output=True, check=True).stdout) < 100


def test_a_problem_has_a_line_and_a_path():
    (problem,) = parse("a: 1\na: 2\n").problems
    assert (problem.line, problem.path) == (2, ("a",))


def test_json_is_yaml():
    manifest = read('{"clients": [{"client_id": "a", "claims": {"n": [1, 1e3, null, true]}}]}')
    assert manifest.entries.clients[0].claims == {"n": [1, 1000.0, None, True]}


def test_names_are_compared_as_in_the_domain():
    assert fold_username("ＺＯË") == fold_username("zoë")
    assert problems("clients: [{client_id: a}, {client_id: b}]\nusers: [{username: a}]\n") == []


def test_a_misspelled_member_gets_a_suggestion():
    text = "role: []\nroles: [{name: a, scope: []}]\nclients: [{client_id: a, roles: [{rôle: b}]}]"
    assert problems(text) == [
        "issuer.yaml:1: role: is not a known member; did you mean roles?",
        "issuer.yaml:2: roles[0].scope: is not a known member; did you mean scopes?",
        'issuer.yaml:3: clients[0].roles[0]."rôle": is not a known member; did you mean role?',
        "issuer.yaml:3: clients[0].roles[0].role: is required",
    ]


def test_a_lifetime_is_in_seconds_or_has_a_unit():
    for text, seconds in {"900": 900, "15m": 900, "24h": 86_400}.items():
        found = read(f"audiences: [{{id: my-os, access_token_ttl: {text}}}]")
        assert found.entries.audiences[0].access_token_ttl == timedelta(seconds=seconds)


def test_the_json_schema_agrees_with_the_reader():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())
    jsonschema.Draft202012Validator.check_schema(schema())
    good = {
        "audiences": [
            {"id": "my-os", "access_token_ttl": 900},
            {"id": "b", "access_token_ttl": "15m"},
        ],
        "roles": [{"name": "runner", "scopes": ["agents:run"]}],
        "clients": [{"client_id": "a", "roles": [{"role": "runner", "audience": "my-os"}]}],
        "users": [{"username": "alice", "email": None}],
    }
    assert list(validator.iter_errors(good)) == []
    for bad in (
        {"client": []},
        {"clients": [{"name": "no id"}]},
        {"clients": [{"client_id": "a", "colour": 1}]},
        {"clients": [{"client_id": "a", "access_token_ttl": "15"}]},
        {"users": [{"username": "a", "roles": [{"audience": "my-os"}]}]},
        {"users": [{"username": "a", "password": "x"}]},
    ):
        assert list(validator.iter_errors(bad))
