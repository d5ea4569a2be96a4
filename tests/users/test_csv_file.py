"""Users in a CSV file: what is read, and how errors name line and column."""

import pytest

from issuer.users.csv_file import InvalidCsv, read_csv, write_csv
from tests.rows import rows


def problems_in(source: str | bytes) -> list[str]:
    content = source.encode() if isinstance(source, str) else source
    with pytest.raises(InvalidCsv) as refused:
        read_csv(content, "people.csv")
    return str(refused.value).splitlines()


@rows("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_that_of_the_first_line(delimiter: str):
    lines = [["UserName", " email", "name"], ["alice", "a@example.org", "Alice"], ["bob", "", ""]]
    source = "\ufeff" + "\r\n".join(delimiter.join(each) for each in lines)
    alice, bob = read_csv(source.encode(), "people.csv")
    assert (alice.username, alice.given) == (
        "alice", {"email": "a@example.org", "name": "Alice"},
    )  # fmt: skip
    assert (bob.line, bob.username, bob.given, bob.groups) == (3, "bob", {}, ())


def test_fields_may_be_quoted_and_left_out():
    source = 'name,username,groups\n"A ""B"", C",alice,red; blue;red\n\n,bob,"red,blue"\ncarol'
    with pytest.raises(InvalidCsv, match=r"people.csv:5: username: is missing"):
        read_csv(source.encode(), "people.csv")
    alice, bob = read_csv(source.removesuffix("carol").encode(), "people.csv")
    assert (alice.given, alice.groups) == ({"name": 'A "B", C'}, ("red", "blue"))
    assert (bob.line, bob.groups) == (4, ("red", "blue"))


def test_text_is_text_even_if_it_looks_like_a_formula():
    source = 'username,name\nalice,"=HYPERLINK(""https://evil.example"")"\n+bob,@SUM(1)\n'
    alice, bob = read_csv(source.encode(), "people.csv")
    assert alice.given["name"] == '=HYPERLINK("https://evil.example")'
    assert (bob.username, bob.given["name"]) == ("+bob", "@SUM(1)")


def test_every_problem_is_named_with_line_and_column():
    source = (
        "username,email,name\n"
        "alice,alice,Alice\n"
        "bob,bob@example.org,Bob,more\n"
        'carol,carol@example.org,"two\nlines"\n'
        "ALICE,,\n"
        ",x@example.org,\n"
    )
    assert problems_in(source) == [
        "people.csv:2: email: must look like name@host",
        "people.csv:3: has 4 fields, but 3 columns",
        "people.csv:4: name: may not hold control characters or line breaks",
        "people.csv:6: username: is the same user as on line 2",
        "people.csv:7: username: is missing",
    ]


def test_columns_must_be_known():
    assert problems_in("user,email,email\n")[0] == ("people.csv:1: email: is there twice")
    found = problems_in("usrname,role\nalice,admin\n")
    assert "people.csv:1: usrname: is not a known column. Did you mean username?" in found
    assert "people.csv:1: username: is missing" in found
    assert [each for each in found if "role:" in each] == [
        "people.csv:1: role: is not a known column. Columns are username, email, name, groups."
    ]
    assert problems_in("") != []


@rows(
    ("source", "problem"),
    [
        (b"username\nalice\n\xff\xfe\n", "people.csv:3: is not UTF-8"),
        (b'username\n"alice\n', "people.csv:2: cannot be read: unexpected end of data"),
        (b'username\n"a"b\n', "people.csv:2: cannot be read: ',' expected after '\"'"),
        (b"username\n" + b"a" * 140_000, "people.csv:2: cannot be read: field larger than"),
    ],
)
def test_a_file_that_is_no_csv_is_refused(source: bytes, problem: str):
    (found,) = problems_in(source)
    assert found.startswith(problem)


def test_the_number_of_problems_is_bounded():
    wrong = "\n".join(f",{number}" for number in range(2_000))
    found = problems_in(f"username,email\n{wrong}")
    assert (len(found), found[-1]) == (1_001, "people.csv: and 1000 more")


def test_control_characters_do_not_reach_the_terminal():
    (found,) = problems_in("username,\x1b[31m\nalice,x\n")
    assert "\x1b" not in found


def test_whoever_failed_is_written_as_given_and_can_be_read_again():
    """The reason is a column that counts for nothing."""
    users = read_csv(
        b'username,email,name,groups\n-ann,a@b.example,"A, =B",red;blue\nbob\n', "a.csv"
    )
    text = write_csv((user, "There is no group 'red'.") for user in users)
    assert text.splitlines()[0] == "username,email,name,groups,problem"
    assert text.count("There is no group") == 2
    again = read_csv(text.encode(), "failed.csv")
    assert [each.values for each in again] == [each.values for each in users]
