"""The addresses to which a drill may send tokens."""

from pathlib import Path

import pytest

from issuer.errors import InvalidField
from issuer.rotation_drill.drill import address
from tests.builders import settings_for
from tests.rows import rows


@rows(
    "url",
    [
        "https://os.example/agents?a=b",
        "http://127.0.0.1:7777/agents",
        "http://[::1]/",
        "http://localhost",
    ],
)
def test_https_and_loopback_addresses_are_accepted(tmp_path: Path, url: str):
    assert str(address("verifier", url, settings_for(tmp_path))) == url


@rows(
    ("url", "why"),
    [
        ("http://os.example/agents", "must be https:// on anything but loopback"),
        ("http://127.0.0.1.os.example/", "must be https:// on anything but loopback"),
        ("https://alice:hunter2@os.example/", "without credentials"),
        ("http://127.0.0.1\\@os.example/", "without credentials"),
        ("https://os.example:hunter2/", "must be a URL"),
        ("https://xn--/", "must be a URL"),
        ("https://os.example:99999/", "has an invalid port"),
        ("ftp://os.example/", "must be an https:// URL with a host"),
        ("/agents", "must be an https:// URL with a host"),
        ("https://", "must be an https:// URL with a host"),
        ("", "must be an https:// URL with a host"),
    ],
)
def test_other_addresses_are_refused(tmp_path: Path, url: str, why: str):
    with pytest.raises(InvalidField, match=why) as error:
        address("verifier", url, settings_for(tmp_path))
    assert "hunter2" not in str(error.value)


def test_http_is_accepted_if_the_settings_allow_it(tmp_path: Path):
    """The setting that allows an http:// ISSUER_URL."""
    settings = settings_for(tmp_path, dangerously_allow_http="true")
    assert address("verifier", "http://os.internal/agents", settings).host == "os.internal"
