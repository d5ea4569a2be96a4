"""Fixtures: an issuer that sends mail, and the server that accepts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import settings_for
from tests.issuers import Initialized, Templates, without_resources
from tests.mail.sending import sending_through
from tests.mail.smtp_server import SmtpReceiver, smtp_server


@pytest.fixture
def receiver() -> Iterator[SmtpReceiver]:
    with smtp_server() as receiver:
        yield receiver


@pytest.fixture
def more_settings(receiver: SmtpReceiver) -> dict[str, str]:
    return sending_through(receiver)


@pytest.fixture
def opened(
    templates: Templates, tmp_path: Path, more_settings: dict[str, str]
) -> Iterator[Initialized]:
    """A copy, with settings that do not matter where an issuer is initialised."""
    with templates.copy(without_resources, tmp_path) as opened:
        settings = opened.settings
        database_url = settings.effective_database_url
        yield Initialized(
            settings_for(settings.data_dir, database_url, **more_settings), opened.admin
        )
