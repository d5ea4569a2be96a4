"""The lines of the log."""

import io
import json
import logging
from pathlib import Path
from typing import Any

from issuer.telemetry.logs import JsonLines, get_logger, request_id


def lines_of(name: str) -> tuple[logging.Logger, io.StringIO]:
    """A logger that nothing else uses, and what it writes."""
    logger, written = logging.getLogger(name), io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return logger, written


def line(written: io.StringIO) -> dict[str, Any]:
    """The only line: an exception has many, but not here."""
    (text,) = written.getvalue().splitlines()
    members: dict[str, Any] = json.loads(text)
    return members


def test_an_event_is_a_line_with_its_members():
    _, written = lines_of("test.events")
    log = get_logger("test.events")
    log.debug("too_fine")
    log.warning("key_unusable", file=Path("a.pem"), number=3)
    members = line(written)
    assert members.pop("timestamp").endswith("Z")
    assert members == {
        "file": repr(Path("a.pem")),
        "number": 3,
        "event": "key_unusable",
        "level": "warning",
        "logger": "test.events",
    }


def test_a_message_of_a_library_is_a_line_as_well():
    logger, written = lines_of("test.library")
    logger.info("Fetched %s", "/a")
    found = line(written)
    assert (found["event"], found["level"], found["logger"]) == (
        "Fetched /a",
        "info",
        "test.library",
    )


def test_an_exception_is_a_member():
    _, written = lines_of("test.failures")
    try:
        int("no number")
    except ValueError:
        get_logger("test.failures").exception("unexpected_error", task="job")
    found = line(written)
    assert (found["event"], found["task"], found["level"]) == ("unexpected_error", "job", "error")
    assert found["exception"].startswith("Traceback (most recent call last):\n")
    assert found["exception"].endswith("'no number'")


def test_a_line_names_the_request_during_which_it_was_logged():
    _, written = lines_of("test.requests")
    current = request_id.set("4f1c")
    get_logger("test.requests").info("token_refused")
    request_id.reset(current)
    assert line(written)["request_id"] == "4f1c"
