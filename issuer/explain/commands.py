"""The smallest changes that would allow a refused request, as commands."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, count
from typing import TypeAlias

from issuer.directory import ClientRecord, UserRecord
from issuer.explain.explaining import Explanation
from issuer.roles import Role
from issuer.vocabulary import GrantType

Command: TypeAlias = tuple[str, ...]
Holder: TypeAlias = ClientRecord | UserRecord


def commands_to_allow(
    explanation: Explanation, roles: Callable[[], Iterable[Role]]
) -> Iterator[Command]:
    """Commands without the word `issuer`; none for a token, which nothing can change.

    A holder gets just the scopes that are lacking, at the audience where they are.
    """
    yield from explanation.commands
    if explanation.decision.allowed:
        return
    for holder in explanation.disabled:
        yield _of(holder, "update", "--enabled")
    if (lacks := explanation.lacking_rule) is not None:
        ends = f"{lacks.rule.from_audience}={lacks.rule.to_audience}"
        yield _of(lacks.client, "update", "--add-may-act", ends)
    if explanation.lacking_grant is not None:
        grant = GrantType.TOKEN_EXCHANGE.value
        yield _of(explanation.lacking_grant, "update", "--add-grant-type", grant)
    stored = roles() if explanation.lacking else []
    giving = {frozenset(role.scopes): role.name for role in stored}
    for lacking in explanation.lacking:
        holder, scopes = lacking.holder, frozenset(lacking.scopes)
        # Own scopes apply at all audiences of a client.
        has_one_audience = isinstance(holder, ClientRecord) and len(holder.audiences) == 1
        if scopes not in giving and has_one_audience:
            yield _of(holder, "update", *_options("--add-scope", lacking.scopes))
            continue
        if scopes not in giving:
            giving[scopes] = _new_name(lacking.scopes, giving.values())
            yield ("role", "create", giving[scopes], *_options("--scope", lacking.scopes))
        yield _of(holder, "role", "assign", giving[scopes], "--audience", lacking.audience.id)


def _of(holder: Holder, *words: str) -> Command:
    """A command about the holder, whose name follows the verb."""
    if isinstance(holder, ClientRecord):
        noun, name = "client", holder.client_id
    else:
        noun, name = "user", holder.username
    verb = 2 if words[0] == "role" else 1
    return (noun, *words[:verb], name, *words[verb:])


def _options(name: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from (name, value)


def _new_name(scopes: Sequence[str], taken: Collection[str]) -> str:
    """A name for a role of these scopes, such as agents-web-run."""
    name = scopes[0].replace(":", "-").replace("*", "all")
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)
