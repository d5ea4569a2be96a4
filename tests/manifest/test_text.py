"""Written YAML is read alike by every parser, and is readable in a diff."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from issuer.manifest.exporting import write_yaml
from issuer.manifest.parsing import parse

TRICKY = ["yes", "no", "on", "y", "~", "null", "true", "0", "007", "0x1f", "1e3", "1_000", ".inf"]
TRICKY += ["12:30", "2026-01-01", "-", "?", ":", "#", "=", "<<", "---", "a:b", "a: b", "a #b", "a:"]
TRICKY += ["a ", " a", "\u0085", "\u2028", "a\nb", "\t", "é", "\ufeff", "𝄞", "*a", "&a", "!a", "%a"]
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TRICKY)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXT, inside, max_size=4),
    max_leaves=12,
)  # fmt: skip


def alike(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(VALUES)
def test_written_values_are_read_back(value: Any):
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        document = parse(write_yaml({"value": value}), loader=loader)
        assert document.problems == []
        assert alike(document.data, {"value": value})


@given(VALUES)
def test_another_yaml_parser_reads_the_same(value: Any):
    assert alike(yaml.safe_load(write_yaml({"value": value})), {"value": value})


def test_a_long_key_is_read_back():
    value = {"k" * 2_000: {"a": [1]}, "b" * 130: "c"}
    assert parse(write_yaml(value)).data == value


def test_it_has_one_value_a_line():
    assert write_yaml({"name": "A b", "on": ["x", {"y": [1.5, []]}], "c": {}}) == (
        'name: A b\n"on":\n  - x\n  - "y":\n      - 1.5\n      - []\nc: {}\n'
    )


@pytest.mark.parametrize("text", ["agents:run", "https://id.example", "agent_os:admin", "Zoë"])
def test_a_plain_string_has_no_quotes(text: str):
    assert write_yaml(text) == f"{text}\n"
