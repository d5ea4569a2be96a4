"""How people set a member of a resource: the options and forms of every interface follow from it.

It stands beside the type of the member: `name: Annotated[Label, NAME] = ""`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from issuer.fields.fields import Fields


class Control(StrEnum):
    """What people give: an element of a form, or the values of an option."""

    TEXT = "text"
    LINES = "lines"  # a list of texts without order: one a line, or a repeatable option
    CHOICE = "choice"
    CHOICES = "choices"
    SWITCH = "switch"
    DURATION = "duration"
    JSON = "json"
    CERTIFICATE = "certificate"

    @property
    def is_set(self) -> bool:
        """Whether it is a list in which order and repetitions have no meaning."""
        return self in {Control.LINES, Control.CHOICES}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member. A member without it is set in ways of its own.

    `label` and `hint` are for forms, `help`, `option` and `metavar` for the command line, where
    the option has the name of the member if none is given; that of a switch has two names.
    """

    label: str
    help: str
    hint: str = ""
    control: Control = Control.TEXT
    option: str = ""
    metavar: str | None = None
    values: Iterable[str] = ()
    """Those among which to choose."""
    names: str = ""
    """The kind of the resources that it names: `audience`."""
    is_private: bool = False
    """Whether the audit log has only its name, without values."""


@cache
def members_of(model: type[Fields]) -> dict[str, Member]:
    """The described members of a model, in its order."""
    return {
        name: each
        for name, field in model.model_fields.items()
        for each in field.metadata
        if isinstance(each, Member)
    }


NAME = Member(label="Name", help="Display name.")
DISABLED = Member(
    label="Disabled",
    help="Refuse it, or accept it again.",
    control=Control.SWITCH,
    option="--disabled/--enabled",
)
LIFETIME = Member(
    label="Token lifetime",
    help="Lifetime of its access tokens, such as 900s, 15m or 24h; none for the default.",
    hint="60s to 24h, such as 900s or 15m; the default if left out",
    control=Control.DURATION,
    metavar="TIME",
)
CLAIMS = Member(
    label="Claims",
    help="Custom claims for its tokens: an object, or @FILE. An update merges them; null removes"
    " one.",
    hint="A JSON object with claims of your own",
    control=Control.JSON,
    metavar="JSON",
    is_private=True,
)
SCOPES = Member(
    label="Scopes",
    help="A scope, such as agents:web:run. Repeatable; '' for none.",
    hint="One a line",
    control=Control.LINES,
    option="--scope",
    metavar="SCOPE",
)
