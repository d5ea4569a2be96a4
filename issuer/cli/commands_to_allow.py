"""The smallest change that would allow a refused request, as commands."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, count

from issuer.cli.command import every
from issuer.composition import UnitOfWork
from issuer.directory import ClientRecord, UserRecord
from issuer.explain.explaining import Explanation

Command = tuple[str, ...]
Holder = ClientRecord | UserRecord


def commands_to_allow(explanation: Explanation, work: UnitOfWork) -> Iterator[Command]:
    """Commands without the word `issuer`; none for a token, which nothing can change.

    A holder gets just the scopes that are lacking, at that audience.
    """
    if explanation.decision.allowed:
        return
    for holder in explanation.disabled:
        yield _of(holder, "update", "--enabled")
    roles = every(work.roles.page, "name", None) if explanation.lacking else []
    giving = {frozenset(role.scopes): role.name for role in roles}
    for lacking in explanation.lacking:
        holder, scopes = lacking.holder, frozenset(lacking.scopes)
        if scopes not in giving and _has_one_audience(holder):
            yield _of(holder, "update", *_options("--add-scope", lacking.scopes))
            continue
        if scopes not in giving:
            giving[scopes] = _new_name(lacking.scopes, giving.values())
            yield ("role", "create", giving[scopes], *_options("--scope", lacking.scopes))
        yield _of(holder, "role", "assign", giving[scopes], "--audience", explanation.audience)


def _has_one_audience(holder: Holder) -> bool:
    """Whether own scopes, which apply at all audiences of a client, give no more than a role."""
    return isinstance(holder, ClientRecord) and len(holder.audiences) == 1


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
