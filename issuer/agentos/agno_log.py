"""The log of agno's MCP server: a call that is refused for its scopes is no crash.

agno refuses it with an exception, of which fastmcp logs the whole traceback.
"""

import logging

_LOGGER = "fastmcp.server.server"
_FAILED = "Error calling tool"
_REFUSED = "Insufficient permissions"

log = logging.getLogger(__name__)


def shorten_refusals() -> None:
    """Log such a call here, in one line. Other failures keep their traceback."""
    logging.getLogger(_LOGGER).addFilter(_is_no_refusal)  # which adds it once


def _is_no_refusal(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if type(error) is not Exception or not str(error).startswith(_REFUSED):
        return True
    log.warning("%s: %s", record.getMessage().replace(_FAILED, "Refused the MCP tool"), error)
    return False
