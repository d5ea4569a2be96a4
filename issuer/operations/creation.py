"""The declaration of what adds an item to a part of a resource."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from pydantic import BaseModel

from issuer.fields.fields import Fields
from issuer.operations.operation import PartOf, Work
from issuer.resources import Command
from issuer.resources.resource_type import members_of, options_of


@dataclass(frozen=True, kw_only=True)
class Creation(Generic[Work]):
    """What adds an item to a part: POST `/{plural}/{id}/{part}` and `issuer {owner} {name} {verb}`.

    The options of the command and the form of the console are the members of `fields`. Members of
    the answer that are not set are left out.
    """

    name: str
    """In OpenAPI."""
    on: PartOf[Work, Any]
    verb: str
    summary: str
    more: str = ""
    """What else to know, for those who read on."""
    examples: tuple[str, ...] = ("",)
    """What may follow the owner on the command line."""
    fields: type[Fields] | None = None
    """What is given; None if nothing is."""
    created: type[BaseModel]
    once: str = ""
    """The member of it that is shown now and never again."""
    run: Callable[[Work, str, Any], BaseModel]
    """With the id of the owner and the fields."""
    done: str
    """A sentence about the owner `{name}`."""
    then: tuple[str, ...] = ()
    """What to do next, one sentence each."""
    is_refusable: bool = False
    """Whether the state of things may be against it (`NotAllowed`)."""

    @property
    def action(self) -> str:
        """In forms of the console: `create-secret`."""
        return f"{self.verb}-{self.on.segment}" if self.on.name else self.verb

    def path(self, owner_id: str, created: BaseModel | None = None) -> tuple[str, ...]:
        """Below that of the admin API; of what was created, that of the item."""
        key = getattr(created, str(self.on.key)) if created and self.on.key else ""
        return (*self.on.path(owner_id), *([key] if key else []))

    def command(self, owner_id: str, given: Mapping[str, object]) -> Command:
        """With the members that were given."""
        options = options_of(members_of(self.fields), given) if self.fields else ()
        words = (*self.on.command(self.verb, owner_id), *options)
        return Command(words, "POST", self.path(owner_id), given if self.fields else None)

    def stored(self, created: BaseModel) -> BaseModel:
        """The item as it is read from now on."""
        model: type[BaseModel] | None = self.on.model
        assert model is not None
        return model.model_construct(
            **{name: getattr(created, name) for name in model.model_fields}
        )
