"""The settings: an error is one sentence without the value."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.errors import ConfigurationError
from issuer.settings import Settings
from tests.rows import rows


def read(**environment: str) -> Settings:
    return Settings.from_environment({f"ISSUER_{k.upper()}": v for k, v in environment.items()})


@rows("forever", ["forever", "0"])
def test_audit_events_are_kept_forever(forever: str):
    assert read(audit_keep=forever).audit_keep is None
    assert read(audit_keep="400d").audit_keep == timedelta(days=400)


@rows(
    ("name", "value"),
    [
        ("url", "http://id.example"),
        ("url", "ftp://id.example"),
        ("url", "id.example"),
        ("url", "https://"),
        ("url", "https://id.example?x=1"),
        ("url", "https://id.example#x"),
        ("url", "https://user:pass@id.example"),
        ("url", "https://id.example:99999"),
        ("access_token_ttl", "59s"),
        ("access_token_ttl", "25h"),
        ("access_token_ttl", "soon"),
        ("access_token_ttl", "-5"),
        ("signing_algorithms", "HS256"),
        ("signing_algorithms", "none"),
        ("signing_algorithms", "RS256,RS256"),
        ("jwks_max_age", "0s"),
        ("password_grant", "perhaps"),
        ("password_hash", "md5"),
        ("password_workers", "0"),
        ("sign_in_failures", "many"),
        ("rate_limit_failures", "60/day"),
        ("rate_limit_failures", "0/minute"),
        ("rate_limit_redis_url", "http://host:6379"),
        ("trusted_proxies", "foo"),
        ("trusted_proxies", "*"),
        ("log_level", "loud"),
        ("log_requests", "1.5"),
        ("log_requests", "true"),
        ("metrics_token", "fifteen-letters"),
        ("metrics_token", "a token with spaces in it"),
        ("metrics_token", "sixteen-létters!"),
        ("data_dir", ""),
        ("database_url", " "),
        ("unknown", "x"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(name: str, value: str):
    with pytest.raises(ConfigurationError, match=f"ISSUER_{name.upper()}") as refused:
        read(**{name: value})
    assert "\n" not in str(refused.value)


def test_rules_between_settings_are_checked():
    with pytest.raises(ConfigurationError, match="ISSUER_KEY_ANNOUNCE_FOR"):
        read(key_announce_for="5m")
    with pytest.raises(ConfigurationError, match="ISSUER_KEY_SIGN_FOR"):
        read(key_sign_for="1h")
    with pytest.raises(ConfigurationError, match="ISSUER_REFRESH_IDLE"):
        read(refresh_idle="91d")


@rows("url", ["http://127.0.0.1:9000", "http://localhost", "https://a.example/b"])
def test_loopback_needs_no_tls(url: str):
    assert read(url=url).url == url


def test_http_on_other_hosts_must_be_allowed():
    assert read(url="http://id.internal", dangerously_allow_http="true").url == "http://id.internal"


def test_a_secret_may_come_from_a_file_and_is_never_shown(tmp_path: Path):
    (tmp_path / "url").write_text("postgresql+psycopg://me:hunter2@db/issuer\n")
    settings = read(database_url_file=str(tmp_path / "url"))
    assert settings.effective_database_url == "postgresql+psycopg://me:hunter2@db/issuer"
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigurationError, match="both set"):
        read(database_url_file=str(tmp_path / "url"), database_url="sqlite:///x.db")
    with pytest.raises(ConfigurationError, match="nowhere: No such file or dir"):
        read(master_key_file=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("file", ["pipe", "device", "open"])
def test_a_secret_comes_from_regular_files_only(tmp_path: Path, file: str):
    """A pipe would block the start, and a device fill the memory."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "open").write_text("secret")
    (tmp_path / "open").chmod(0o666)
    with pytest.raises(ConfigurationError, match=f"ISSUER_MASTER_KEY_FILE: {tmp_path}/{file} "):
        read(master_key_file=str(tmp_path / file))


def test_a_master_key_that_others_can_read_is_refused(tmp_path: Path):
    """Other secrets may be: Docker Compose mounts them for every user of a container."""
    file = tmp_path / "key"
    file.write_text("A" * 43)
    for mode in (0o644, 0o640):
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match="can be read by others: chmod 600 it"):
            read(master_key_file=str(file))
        assert read(metrics_token_file=str(file)).metrics_token
    file.chmod(0o600)
    assert read(master_key_file=str(file)).master_key


def test_a_wrong_secret_is_not_repeated():
    with pytest.raises(ConfigurationError, match="at least 16 characters") as refused:
        read(metrics_token="hunter2")
    assert "hunter2" not in str(refused.value)
    assert "sixteen-letters" not in repr(read(metrics_token="sixteen-letters."))


@rows(
    ("text", "duration"),
    [
        ("900", timedelta(seconds=900)),
        ("900s", timedelta(seconds=900)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("1d", timedelta(days=1)),
    ],
)
def test_durations_have_units(text: str, duration: timedelta):
    assert read(access_token_ttl=text).access_token_ttl == duration


@rows(("text", "share"), [("off", None), ("errors", 0.0), ("0.25", 0.25), ("1", 1.0)])
def test_requests_are_logged_by_a_share(text: str, share: float | None):
    assert read(log_requests=text).logged_share == share


def test_variables_of_other_programs_are_ignored():
    assert Settings.from_environment({"HOME": "/root", "ISSUERX": "1", "issuer_url": "x"})
