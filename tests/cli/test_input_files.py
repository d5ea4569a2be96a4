"""Files that an argument names are read up to 5 MiB, whatever they are."""

import io
from pathlib import Path

import pytest

from issuer.cli.command import MAX_BYTES
from issuer.manifest import parsing
from tests.cli.driver import Cli

ENDLESS = Path("/dev/zero")
LARGER = "is larger than 5242880 bytes"

pytestmark = pytest.mark.skipif(not ENDLESS.exists(), reason="Linux and macOS have it")


@pytest.fixture
def database_kind() -> str:
    """Files are read the same on both."""
    return "sqlite"


def test_the_bound_is_that_of_manifests():
    assert MAX_BYTES == parsing.MAX_BYTES == 5 * 1024 * 1024


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_an_endless_manifest_is_refused(cli: Cli, command: str):
    refused = cli(command, "-f", str(ENDLESS))
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == f"{ENDLESS}:1: {LARGER}\n"


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_an_endless_manifest_on_standard_input_is_refused(cli: Cli, command: str):
    refused = cli(command, "-f", "-", stdin=Endless())
    assert (refused.status, refused.err) == (1, f"-:1: {LARGER}\n")


def test_endless_claims_are_wrong_usage(cli: Cli):
    refused = cli("client", "create", "ci-bot", "--claims", f"@{ENDLESS}")
    assert (refused.status, refused.out) == (2, "")
    assert LARGER in refused.wrong_usage


def test_an_endless_checkpoint_file_is_refused(cli: Cli):
    sentence = cli("audit", "verify", "--checkpoint", str(ENDLESS)).sentence
    assert sentence == f"{ENDLESS} {LARGER}."


class Endless(io.TextIOBase):
    """Standard input that never ends."""

    def read(self, size: int | None = -1, /) -> str:
        assert size is not None
        assert size > 0, "unbounded"
        return "a" * size
