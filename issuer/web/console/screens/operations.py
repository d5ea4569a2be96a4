"""Operations as actions of the page of a resource: a question, and what was done."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from pydantic import BaseModel
from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, NotFound
from issuer.fields.fields import Fields
from issuer.operations import About, Creation, Key, Operation, OperationQuestion
from issuer.resources import Command
from issuer.resources.resource_type import members_of
from issuer.web.console.screens.resource import Action, ResourceScreen
from issuer.web.console.screens.resource_form import as_typed, read_typed

# The page that shows what was created once: with what was done, the command, and what to do next.
Show: TypeAlias = Callable[[ResourceScreen, Any, str, Command, tuple[str, ...]], Response]
_ANSWERS = "answers"


def actions_of(
    operations: Iterable[Operation[Any] | Creation[Any]], show: Show | None = None
) -> dict[str, Action]:
    """By the field `do` of their forms. `show` is for what is shown once."""
    return {
        each.action: _creation(each, show) if isinstance(each, Creation) else _operation(each)
        for each in operations
    }


def _operation(operation: Operation[Any]) -> Action:
    return lambda screen: OperationForm(operation, screen).answer()


@dataclass(frozen=True)
class OperationForm:
    """A form that asks for an operation on an item, with flags; confirmed or not yet."""

    operation: Operation[Any]
    screen: ResourceScreen

    def answer(self) -> Response:
        """Do it, if it has no question or the present one was confirmed; or else ask."""
        operation, screen, key = self.operation, self.screen, self.screen.key
        asks, fields = operation.question is not None and not screen.is_confirmed, self.fields
        scope = screen.TYPE.read if asks else screen.TYPE.write
        with screen.operator.work(scope) as work, self._naming_fields():
            item, called = self._find(work)
            about = replace(self.about, key=item, called=called)
            question = operation.question and operation.question(work, about)
            flags = about.flags | operation.overrides(question)
            patch = operation.patch
            body = patch and patch(work.collection(operation.owner).get(key), item)
            if is_confirmed := question is None or self._confirms(question):
                done = operation.do(work, key, item, flags, fields)
        command = operation.command(key, item, flags, body, fields)
        if is_confirmed:
            said = operation.sentence(screen.name, item, done, called, flags, fields)
            return screen.finished(" ".join(said.splitlines()), command)
        assert question is not None
        return self._ask(item, question, command)

    @property
    def parameter(self) -> str:
        """The field of the form that names the item, or several."""
        part = self.operation.part
        takes_several = part and part.find and self.operation.adds
        return part.field if part and takes_several else self.operation.parameter

    @cached_property
    def item(self) -> str:
        return self.screen.form.get(self.parameter, "") if self.parameter else ""

    def _find(self, work: UnitOfWork) -> tuple[Key, str]:
        """Key and name of the item, or of several; `InvalidField` for what a person typed."""
        operation, part = self.operation, self.operation.part
        if part and part.named:
            return self._read(part.named), ""
        if part is None or part.find is None:
            return self.item, ""
        texts = [line.strip() for line in self.item.splitlines() if line.strip()]
        if not texts:
            raise InvalidField(self.parameter, f"Name one {part.field[:-1]} at least.")
        try:
            return part.find_all(work, texts)
        except NotFound as error:
            if not operation.adds:
                raise
            raise InvalidField(self.parameter, str(error)) from None

    @contextmanager
    def _naming_fields(self) -> Iterator[None]:
        """What does not exist is an error at the field that names it, if there is one."""
        named = self.operation.part and self.operation.part.named
        try:
            yield
        except NotFound as error:
            for name, member in members_of(named).items() if named else ():
                if member.names == error.kind:
                    raise InvalidField(name, str(error)) from None
            raise

    def _read(self, model: type[Fields]) -> Fields:
        return read_typed(model, self.screen.form, self.screen.parts.clock())

    @cached_property
    def fields(self) -> Fields | None:
        """What else was typed; `InvalidField`."""
        return self._read(self.operation.fields) if self.operation.fields else None

    @property
    def about(self) -> About:
        screen, session = self.screen, self.screen.operator.session
        flags = (each.name for each in self.operation.flags if each.option)
        selected = frozenset(name for name in flags if name in screen.form)
        about = About(screen.key, screen.name, self.item, "", selected, self.fields)
        return replace(about, own_id=session.user_id, own_session=session.id)

    def _confirms(self, question: OperationQuestion) -> bool:
        """Whether this question was confirmed; one without warnings need not have been asked."""
        answers = self.screen.form.get(_ANSWERS, "" if question.warnings else question.subject)
        return self.screen.is_confirmed and answers == question.subject

    def _typed(self, item: Key) -> dict[str, str]:
        """The fields of the form that are not empty, as they are sent again."""
        typed: dict[str, str] = {}
        for each in (item, self.fields):
            if isinstance(each, Fields):
                typed |= as_typed(members_of(type(each)), each)
            elif each is not None:
                typed[self.parameter] = "\n".join(each) if isinstance(each, tuple) else each
        return {name: text for name, text in typed.items() if text}

    def _ask(self, item: Key, question: OperationQuestion, command: Command) -> Response:
        return self.screen.confirm(
            (question.what, question.says, question.button),
            command,
            {**self._typed(item), _ANSWERS: question.subject},
            boxes={each.name: each.label for each in self.operation.flags if each.option},
            values=dict.fromkeys(self.about.flags, "yes"),
            points=question.points,
            is_dangerous=not self.operation.adds,
        )


def _creation(creation: Creation[Any], show: Show | None) -> Action:
    def act(screen: ResourceScreen) -> Response:
        key, fields = screen.key, creation.fields
        members = read_typed(fields, screen.form, screen.parts.clock()) if fields else None
        given = members.model_dump(mode="json", exclude_unset=True) if members else {}
        with screen.operator.work_once(screen.TYPE.write) as work:
            created: BaseModel = creation.run(work, key, members)
        done = creation.done.format(name=screen.name)
        command = creation.command(key, given)
        if show is None or not creation.once:
            return screen.finished(done, command)
        return show(screen, created, done, command, creation.then)

    return act
