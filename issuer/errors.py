"""The errors of the domain packages. Interfaces map them to HTTP answers."""

from collections.abc import Mapping

_MAX_LISTED = 10


class IssuerError(Exception):
    """An expected error; `str()` of it is one sentence for the caller."""


class ConfigurationError(IssuerError):
    """The settings, the data directory or the database do not allow a start."""


class InvalidField(IssuerError):
    """Invalid values. `problems` has each member and why, `field` and `message` the first."""

    def __init__(self, field: str, message: str, *more: tuple[str, str]) -> None:
        self.problems = [(field, message), *more]
        self.field = field
        self.message = message
        sentences = [f"{name}: {why}" for name, why in self.problems[:_MAX_LISTED]]
        if len(self.problems) > _MAX_LISTED:
            sentences.append(f"and {len(self.problems) - _MAX_LISTED} more")
        super().__init__("; ".join(sentences))

    def renamed(self, names: Mapping[str, str]) -> "InvalidField":
        """The problems under the names that an interface has for these members."""
        first, *more = [(names.get(name, name), why) for name, why in self.problems]
        return InvalidField(*first, *more)


class UnknownReference(InvalidField):
    """A member names a resource that does not exist."""

    def __init__(self, field: str, kind: str, name: str) -> None:
        super().__init__(field, f"there is no {kind} {name!r}")
        self.kind = kind
        self.name = name


class NotFound(IssuerError):
    """The named resource does not exist; `meant` is a sentence with a similar name."""

    def __init__(self, kind: str, name: str, meant: str = "") -> None:
        super().__init__(f"There is no {kind} {name!r}.{meant}")
        self.kind = kind
        self.name = name


class AlreadyExists(IssuerError):
    """The name is taken, perhaps in another case or Unicode form."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{name!r} is taken by an existing {kind}: choose another.")
        self.name = name


class InUse(IssuerError):
    """Cannot be deleted while others use it: `users_of_it`, at most a hundred of them."""

    def __init__(self, kind: str, name: str, users_of_it: list[str]) -> None:
        super().__init__(f"The {kind} {name!r} is in use by {', '.join(users_of_it[:5])}.")
        self.users_of_it = users_of_it


class NotAllowed(IssuerError):
    """Refused to every caller, because of the state of the issuer."""


class PassingError(IssuerError):
    """The request is not possible now; it may be in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotYet(PassingError, NotAllowed):
    """Refused to every caller now."""


class Forbidden(IssuerError):
    """The caller may not do this. `scope` would allow it; None means any scope of this API."""

    def __init__(self, scope: str | None) -> None:
        which = f"the scope {scope}" if scope else "a scope of this API, such as issuer:roles:read"
        super().__init__(f"This needs {which}.")
        self.scope = scope


class Unavailable(PassingError):
    """The server cannot answer now."""


class DatabaseUnavailable(Unavailable):
    """The database is read-only, full or unreachable. Logged once a minute."""


class TooManyRequests(PassingError):
    """Refused to this caller. `str()` of it is for the log, never for the caller."""


class InvalidCredentials(IssuerError):
    """One error for every wrong credential; `reason` and the named `subject` are for logs only."""

    def __init__(self, reason: str, subject: str | None = None) -> None:
        super().__init__("The credentials are wrong.")
        self.reason = reason
        self.subject = subject


class UsedBefore(InvalidCredentials):
    """What counts once was used before, here or in another process."""
