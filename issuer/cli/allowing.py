"""The smallest change that would allow a refused request, as commands."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, count

from issuer.cli.command import every
from issuer.composition import UnitOfWork
from issuer.directory import ClientRecord, UserRecord
from issuer.explaining import Explanation

Command = tuple[str, ...]
Holder = ClientRecord | UserRecord


def commands_allowing(explanation: Explanation, work: UnitOfWork) -> Iterator[Command]:
    """Each without `issuer`. A holder gets just the scopes that are lacking, at that audience.

    Of a token nothing can be changed.
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
    """Then its own scopes, which apply at all its audiences, give no more than a role there."""
    return isinstance(holder, ClientRecord) and len(holder.audiences) == 1


def _of(holder: Holder, *words: str) -> Command:
    """The name of the holder follows the verb."""
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
    """Such as agents-web-run."""
    name = scopes[0].replace(":", "-").replace("*", "all")
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)
