"""An issuer to be measured: unchanged, or with an audit log that stores nothing.

python -m benchmarks.token_server durable|nothing PORT
"""

import sys

import uvicorn

from issuer.audit import AuditWriter, Event
from issuer.server.app import app_from_environment
from issuer.server.connection import BoundedConnection


async def store_nothing(_writer: AuditWriter, _event: Event) -> int:
    """Replaces `AuditWriter.record`, to measure tokens without audit events."""
    return 0


def main(kind: str, port: str) -> None:
    if kind == "nothing":
        AuditWriter.record = store_nothing
    app = app_from_environment()
    uvicorn.run(
        app,
        port=int(port),
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
