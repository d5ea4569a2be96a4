"""A command, and the request to the admin API that does the same."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """`words` follow `issuer`, as those `then` do in a second command; without a method, no request
    does the same.

    `path` is below that of the API, part by part. The request has `body` as JSON, or the YAML of
    the `file`.
    """

    words: tuple[str, ...]
    method: str = ""
    path: tuple[str, ...] = ()
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    then: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The command as it is typed; empty without words."""
        commands = filter(None, (self.words, self.then))
        return "\n".join(shlex.join(["issuer", *words]) for words in commands)
