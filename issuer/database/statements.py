"""A span for each SQL statement of a request."""

from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from issuer.telemetry.tracing import Tracing

_MAX_TEXT = 2_000


def trace_statements(engine: Engine, tracing: Tracing) -> None:
    """The text of a statement has no values: those are parameters, which no span holds."""
    system = engine.dialect.name

    def before(_c: object, _cursor: object, text: str, _p: object, context: Any, _m: bool) -> None:
        operation = text.split(maxsplit=1)[0].upper()
        attributes = {
            "db.system.name": system,
            "db.operation.name": operation,
            "db.query.text": text[:_MAX_TEXT],
        }
        context.issuer_span = tracing.span(operation, attributes)
        context.issuer_span.__enter__()

    def after(_c: object, _cursor: object, _text: str, _p: object, context: Any, _m: bool) -> None:
        context.issuer_span.__exit__(None, None, None)

    def failed(failure: ExceptionContext) -> None:
        span = getattr(failure.execution_context, "issuer_span", None)
        if span is not None:
            error = failure.original_exception
            span.__exit__(type(error), error, None)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
