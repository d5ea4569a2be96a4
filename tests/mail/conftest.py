"""Fixtures: an issuer that sends mail, and the server that accepts it."""

from collections.abc import Iterator

import pytest

from tests.mail.sending import sending_through
from tests.mail.smtp_server import SmtpReceiver, smtp_server


@pytest.fixture
def receiver() -> Iterator[SmtpReceiver]:
    with smtp_server() as receiver:
        yield receiver


@pytest.fixture
def more_settings(receiver: SmtpReceiver) -> dict[str, str]:
    return sending_through(receiver)
