"""Which redirect URIs a client may register, and which requests match them."""

import pytest

from issuer.fields.urls import (
    MAX_LENGTH,
    is_of_a_web_server,
    is_registered,
    require_registrable,
)
from tests.rows import rows


@rows(
    "uri",
    [
        "https://app.example/callback",
        "https://app.example/callback?tenant=a",
        "https://app.example:8443",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:33418/",
        "http://localhost/callback",
        "http://[::1]:3000/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.example.app:/callback",
    ],
)
def test_web_servers_loopback_and_applications_may_be_registered(uri: str):
    assert require_registrable(uri) == uri


@rows(
    "uri",
    [
        "http://app.example/callback",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://127.0.0.2/",
        "http://0.0.0.0/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.0.0.1@evil.example/",
        "https://app.example@evil.example/",
        "https://user:secret@app.example/",
        "https://app.example/callback#",
        "https://app.example/#fragment",
        "https:///callback",
        "https:app.example",
        "https://app.example:99999/",
        "HTTPS://app.example/",
        "https://app.example\\@evil.example/",
        "https://app.example/a b",
        "https://app.example/\n",
        "https://bücher.example/",
        "//app.example/callback",
        "/callback",
        "callback",
        "",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/1",
        "about:blank",
        "https://app.example/" + "a" * MAX_LENGTH,
    ],
)
def test_everything_else_is_refused(uri: str):
    with pytest.raises(ValueError, match=r"must|may|is not"):
        require_registrable(uri)


@rows(
    ("registered", "uri"),
    [
        ("https://app.example/callback", "https://app.example/callback"),
        ("http://127.0.0.1/", "http://127.0.0.1:49152/"),
        ("http://127.0.0.1:33418/", "http://127.0.0.1/"),
        ("http://localhost/callback", "http://localhost:3118/callback"),
        ("http://[::1]:1/a?b=c", "http://[::1]:2/a?b=c"),
        ("cursor://x/callback", "cursor://x/callback"),
    ],
)
def test_the_port_of_loopback_is_ignored(registered: str, uri: str):
    """RFC 8252 §7.3."""
    assert is_registered(uri, ["https://other.example/", registered])


@rows(
    ("registered", "uri"),
    [
        ("https://app.example/callback", "https://app.example/callback/"),
        ("https://app.example/callback", "https://app.example:443/callback"),
        ("https://app.example/callback", "https://app.example/Callback"),
        ("https://app.example/callback", "https://app.example/callback?x=1"),
        ("https://app.example/callback", "https://app.example/%63allback"),
        ("http://127.0.0.1/", "http://localhost/"),
        ("http://127.0.0.1/", "http://127.0.0.1"),
        ("http://127.0.0.1/", "https://127.0.0.1/"),
        ("http://127.0.0.1/a", "http://127.0.0.1:80/b"),
        ("http://127.0.0.1/", "http://127.0.0.1:80@evil.example/"),
        ("http://127.0.0.1/", "http://127.0.0.1:999999/"),
        ("http://127.0.0.1/", "http://127.0.0.1:65536/"),
        ("http://127.0.0.1/", "http://127.0.0.1:\uff18\u0968/"),
        ("http://127.0.0.1/", "http://127.0.0.1:%/"),
        ("http://localhost", "http://localhost.evil.example"),
    ],
)
def test_nothing_else_is_ignored(registered: str, uri: str):
    assert not is_registered(uri, [registered])


def test_only_https_belongs_to_the_owner_of_a_host_name():
    """RFC 8252 §8.6: any program on the machine can receive the others."""
    assert is_of_a_web_server("https://app.example/")
    assert not is_of_a_web_server("http://127.0.0.1/")
    assert not is_of_a_web_server("cursor://app.example/")
