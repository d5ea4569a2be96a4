"""An issuer to be measured: unchanged, or with an audit log that stores nothing.

python -m benchmarks.token_server durable|nothing PORT
"""

import sys

import uvicorn

from issuer.app import app_from_environment
from issuer.audit import Event
from issuer.cli.connection import BoundedConnection


class Nothing:
    """Replaces the `AuditWriter`, to measure tokens without audit events."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    async def record(self, event: Event) -> None:
        pass


def main(kind: str, port: str) -> None:
    app = app_from_environment()
    if kind == "nothing":
        app.state.parts.audit.writer.record = Nothing().record
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
