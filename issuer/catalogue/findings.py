"""The findings of `lint`."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """The kind of a finding. Scripts may rely on these."""

    NOT_A_SCOPE = "not-a-scope"
    UNKNOWN_SCOPE = "unknown-scope"
    OLD_NAME = "old-name"
    PER_RESOURCE_MEANS_NOTHING = "per-resource-means-nothing"
    ONLY_IN_VERSION = "only-in-version"
    POWERFUL = "powerful"
    RUN_WITHOUT_READ = "run-without-read"
    COVERED_BY_ANOTHER = "covered-by-another"


@dataclass(frozen=True, slots=True)
class ScopeFinding:
    """A sentence about one scope; `suggestion` is a scope to use instead or in addition."""

    code: Code
    scope: str
    message: str
    suggestion: str | None = None

    def as_json(self) -> dict[str, str | None]:
        return {
            "code": self.code.value,
            "scope": self.scope,
            "message": self.message,
            "suggestion": self.suggestion,
        }
