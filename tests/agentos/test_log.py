"""The log of agno's MCP server."""

import logging

import pytest

from issuer.agentos.agno_hook import shorten_refusals


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        (
            "Insufficient permissions. Required scope(s): agents:run",
            "Refused the MCP tool 'run_agent': Insufficient permissions. Required scope(s):"
            " agents:run",
        ),
        ("The model does not answer", "Error calling tool 'run_agent'"),
    ],
)
def test_only_a_refused_call_has_no_traceback(
    caplog: pytest.LogCaptureFixture, message: str, logged: str
):
    for _ in range(2):  # as for two Verifiers
        shorten_refusals()
    try:
        raise Exception(message)  # noqa: TRY002, TRY301 - as agno does
    except Exception:
        logging.getLogger("fastmcp.server.server").exception("Error calling tool 'run_agent'")
    (record,) = caplog.records
    assert record.getMessage() == logged
    assert bool(record.exc_info) == ("Refused" not in logged)
