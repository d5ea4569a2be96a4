"""Templates of pages, compiled once in each process: it takes a quarter of the time of a page."""

from types import CodeType
from typing import Any

import jinja2
from jinja2.bccache import Bucket


class CompiledTemplates(jinja2.BytecodeCache):
    """In memory."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._codes[bucket.key, bucket.checksum] = bucket.code


def share_compiled_templates() -> None:
    """What is compiled depends on no settings of an issuer, which are all globals."""
    cache = CompiledTemplates()

    class SharingEnvironment(jinja2.Environment):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{"bytecode_cache": cache, **options})

    jinja2.Environment = SharingEnvironment
