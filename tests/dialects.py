"""One SQLAlchemy dialect for each kind of database in a test process.

Each test connects to a database of its own, with a new engine. A new engine has a new dialect and
an empty cache of compiled statements, so that compiling took a quarter of the time of most tests.
"""

from typing import Any, ClassVar, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect


class _Shared(Dialect):
    """The only dialect of its kind: engines share it, what it learnt and what it compiled."""

    _only: ClassVar[Self | None] = None
    _options: dict[str, Any] | None = None
    _is_initialized = False

    def __new__(cls, **_: Any) -> Self:
        cls._only = cls._only or super().__new__(cls)
        return cls._only

    def __init__(self, **options: Any) -> None:
        if self._options is None:
            super().__init__(**options)
            self._options = options
            self._compiled: dict[Any, Any] = {}
        assert options == self._options, "Engines with different dialects cannot share one."

    def initialize(self, connection: Connection) -> None:
        if not self._is_initialized:
            super().initialize(connection)
            self._is_initialized = True

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine._compiled_cache = cls._only._compiled


class SharedSqlite(_Shared, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class SharedPostgresql(_Shared, PGDialect_psycopg):
    supports_statement_cache = True


def share_dialects() -> None:
    """Let every engine created from now on share the dialect of its kind."""
    registry.register("sqlite", __name__, SharedSqlite.__name__)
    registry.register("postgresql.psycopg", __name__, SharedPostgresql.__name__)
