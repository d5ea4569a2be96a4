"""The few errors the rooms raise. What they are in HTTP is the doors' business."""

_MAX_SAID = 10


class IssuerError(Exception):
    """Something the caller can understand; `str()` of it is one sentence fit for a person."""


class ConfigurationError(IssuerError):
    """The settings, the data directory or the database do not allow a start."""


class InvalidField(IssuerError):
    """Values that may not be stored. `problems` has each member that holds one, and why.

    `field` and `message` are those of the first.
    """

    def __init__(self, field: str, message: str, *more: tuple[str, str]) -> None:
        self.problems = [(field, message), *more]
        self.field = field
        self.message = message
        sentences = [f"{name}: {why}" for name, why in self.problems[:_MAX_SAID]]
        if len(self.problems) > _MAX_SAID:
            sentences.append(f"and {len(self.problems) - _MAX_SAID} more")
        super().__init__("; ".join(sentences))


class NotFound(IssuerError):
    """What was named is not there."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no {kind} {name!r}.")
        self.kind = kind
        self.name = name


class AlreadyExists(IssuerError):
    """The name is taken, perhaps in another case or Unicode form."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{name!r} is taken: there is already {kind} of that name.")
        self.kind = kind
        self.name = name


class InUse(IssuerError):
    """Cannot be deleted while others need it. `users_of_it` says who, at most a hundred."""

    def __init__(self, kind: str, name: str, users_of_it: list[str]) -> None:
        super().__init__(f"The {kind} {name!r} is in use by {', '.join(users_of_it[:5])}.")
        self.kind = kind
        self.name = name
        self.users_of_it = users_of_it


class NotAllowed(IssuerError):
    """Understood and refused: the state of the house does not allow it to anybody."""


class NotYet(NotAllowed):
    """Refused to anybody now, but perhaps not in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(IssuerError):
    """Not allowed to this caller. `scope` is the one that would allow it; None: any of ours."""

    def __init__(self, scope: str | None) -> None:
        which = f"the scope {scope}" if scope else "a scope of this API, such as issuer:roles:read"
        super().__init__(f"This needs {which}.")
        self.scope = scope


class Unavailable(IssuerError):
    """Cannot be answered now, but may be in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseUnavailable(Unavailable):
    """The database refuses, is full, or is not there; the log has said so, once a minute."""


class TooManyRequests(IssuerError):
    """Not before `retry_after` seconds are over. `str()` of it is for the log, never out."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidCredentials(IssuerError):
    """One error for every wrong credential. `reason` is for the log and the audit, never out.

    So is `subject`, who was named, where that is somebody.
    """

    def __init__(self, reason: str, subject: str | None = None) -> None:
        super().__init__("The credentials are wrong.")
        self.reason = reason
        self.subject = subject
