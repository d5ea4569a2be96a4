"""Comparing the URL of a proof (RFC 3986 §6.2.2, §6.2.3)."""

from hypothesis import given
from hypothesis import strategies as st

from issuer.fields.urls import normalized_url
from tests.rows import rows

segments = st.lists(st.text("aA.~%2fé/ ", max_size=3), max_size=5)
UNRESERVED = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
HOSTS = st.sampled_from(["id.example", "127.0.0.1", "[::1]"])


def encoded(segment: str, spell: str) -> str:
    """With percent-encoding where it is needed; everywhere if `spell` is x or X."""
    return "".join(
        chr(octet) if not spell and octet in UNRESERVED else f"%{octet:02{spell or 'X'}}"
        for octet in segment.encode()
    )


@given(segments, HOSTS, st.sampled_from("xX"))
def test_an_encoding_of_any_spelling_names_the_same_url(path: list[str], host: str, spell: str):
    plain, other = ("/".join(encoded(each, how) for each in path) for how in ("", spell))
    expected = normalized_url(f"https://{host}/{plain}")
    assert normalized_url(f"HTTPS://{host.upper()}:443/{other}?q#f") == expected


@given(segments, HOSTS)
def test_normalizing_twice_changes_nothing(path: list[str], host: str):
    once = normalized_url(f"http://{host}/" + "/".join(encoded(each, "") for each in path))
    assert once is not None
    assert normalized_url(once) == once
    assert not {".", ".."} & {*once.split("/")}


@given(st.text(max_size=50))
def test_any_text_is_a_url_or_none(text: str):
    found = normalized_url(text)
    assert found is None or normalized_url(found) == found
    normalized_url(f"https://{text}")


@given(HOSTS, st.lists(st.sampled_from(["a", "b", "%2F", "..", "."]), max_size=6))
def test_no_path_names_another_origin(host: str, path: list[str]):
    found = normalized_url(f"https://{host}/{'/'.join(path)}")
    assert found is not None
    assert found.startswith(f"https://{host}/")


@rows(
    ("url", "normalized"),
    [
        ("https://id.example", "https://id.example/"),
        ("https://id.example:/", "https://id.example/"),
        ("http://id.example:443/", "http://id.example:443/"),
        ("https://id.example:0443/", "https://id.example/"),
        ("https://id.example/a/b/..", "https://id.example/a/"),
        ("https://id.example/a//../b", "https://id.example/a/b"),
        ("https://id.example/a/b", "https://id.example/a/b"),
        ("https://id.example/a%2Fb", "https://id.example/a%2Fb"),
        ("https://id.example/a%2fb", "https://id.example/a%2Fb"),
        ("https://id.example/a/", "https://id.example/a/"),
        ("https://id.example//a", "https://id.example//a"),
        ("https://user@id.example/", None),
        ("https://id.example:99999/", None),
        ("https://id.example:x/", None),
        ("https:///a", None),
        ("ftp://id.example/", None),
        ("https://id.example/a b", None),
        ("https://id.example/\ta", None),
        ("https://[::1/", None),
        (f"https://id.example/{'a' * 2_048}", None),
    ],
)
def test_urls_are_compared_in_their_normal_form(url: str, normalized: str | None):
    assert normalized_url(url) == normalized
