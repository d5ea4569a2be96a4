"""Operations on parts of a resource, as actions of its page: a question, and what was done."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.operations import About, Operation, OperationQuestion
from issuer.web.console.screens.action import Confirmation
from issuer.web.console.screens.resource import Action, ResourceScreen


def actions_of(operations: Iterable[Operation[Any]]) -> dict[str, Action]:
    """By the field `do` of their forms."""
    return {each.action: _action(each) for each in operations}


def _action(operation: Operation[Any]) -> Action:
    def act(screen: ResourceScreen) -> Response:
        key, session = screen.key, screen.operator.session
        item = screen.form.get(operation.parameter, "") if operation.parameter else ""
        command = screen.commands.command(
            operation.command(key, item), operation.method, operation.path(key, item)
        )
        done = operation.done.format(name=screen.name, item=item)

        def run(work: UnitOfWork) -> None:
            operation.run(work, key, item)

        if operation.question is None:
            return screen.done(run, done, command)
        about = About(key, screen.name, item, session.user_id, session.id)
        ask = partial(_ask, operation.question, about)
        return screen.confirmed(
            ask, command, run, done, {operation.parameter: item} if item else None
        )

    return act


def _ask(
    question: Callable[[Any, About], OperationQuestion], about: About, work: UnitOfWork
) -> Confirmation:
    asked = question(work, about)
    return asked.what, asked.why, asked.button
