"""What is done to several resources of a list at once: asked once, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.operations import About, Operation, OperationQuestion
from issuer.operations.operation import names_in_words
from issuer.resources import Command, ResourceType

MOST = 100
SELECT = "select "  # and the key: the name of a box
_SELECTED, _ANSWERS = "selected", "answers"
_COMMANDS = 10

# Of a list, by the field `do` of its form: the label of the button, and what it does.
AtOnce: TypeAlias = tuple[str, Callable[[Any], Response]]


@dataclass(frozen=True)
class ChangeOfEach:
    """What is done to each of them, as to one: a question about some, and a sentence about one."""

    ask: Callable[[UnitOfWork, About], OperationQuestion]
    do: Callable[[UnitOfWork, str], object]
    command: Callable[[str], Command]
    done: str


def each_by(label: str, operation: Operation[Any]) -> AtOnce:
    """An operation on each of them."""
    assert operation.question is not None
    change = ChangeOfEach(
        operation.question,
        lambda work, key: operation.do(work, key, ""),
        lambda key: operation.command(key, ""),
        operation.done,
    )
    return label, lambda screen: apply_to_each(screen, change)


def disabling(
    resource_type: ResourceType[Any, Any], ends: Callable[[About], str], done: str
) -> AtOnce:
    """Disable each of them; `ends` says what that means."""
    patch = {"disabled": True}
    change = ChangeOfEach(
        lambda _, about: OperationQuestion(f"Disable {about.name}?", ends(about), "Disable"),
        lambda work, key: work.collection(resource_type).update(key, patch),
        lambda key: resource_type.update_command(key, patch),
        done,
    )
    return "Disable", lambda screen: apply_to_each(screen, change)


def selected(screen: Any) -> list[Any]:
    """The resources that the form selects; `InvalidField` for none and for too many."""
    keys = screen.form.get(_SELECTED, "").splitlines()
    keys += [name.removeprefix(SELECT) for name in screen.form if name.startswith(SELECT)]
    if not 1 <= len(keys) <= MOST:
        raise InvalidField(_SELECTED, f"Select 1 to {MOST} {screen.TYPE.plural}.")
    with screen.operator.work(screen.TYPE.read) as work:
        return [work.collection(screen.TYPE).get(key) for key in dict.fromkeys(keys)]


def apply_to_each(screen: Any, change: ChangeOfEach) -> Response:
    """All of it or nothing, once the question about these was confirmed."""
    of, form, operator = screen.TYPE, screen.form, screen.operator
    names = {of.key_of(each): of.name_of(each) for each in selected(screen)}
    keys, own = [*names], operator.session.user_id
    called = names_in_words([*names.values()])
    about = About(own if own in names else keys[0], called, "", own_id=own)
    with operator.work(of.read) as work:
        question = replace(change.ask(work, about), points=tuple(names.values()))
    if (form.get("confirmed"), form.get(_ANSWERS)) != ("yes", question.subject):
        fields = {"do": form["do"], _SELECTED: "\n".join(keys), _ANSWERS: question.subject}
        asked: Response = screen.ask(
            question.what,
            question.says,
            question.button,
            fields,
            points=question.points,
            commands=tuple(map(change.command, keys[:_COMMANDS])),
        )
        return asked
    with operator.work(of.write) as work:
        for key in keys:
            change.do(work, key)
    first, *others = names.values()
    more = f" The same for {names_in_words(others)}." if others else ""
    done: Response = screen.finished(change.done.format(name=first) + more)
    return done
