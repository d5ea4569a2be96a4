"""The smallest changes that would allow a refused request, as commands."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, count
from typing import TypeAlias

from issuer.catalogue import NEWEST
from issuer.directory import ClientRecord, UserRecord
from issuer.explain.explaining import Explanation, Question
from issuer.resources import Command
from issuer.roles import Role
from issuer.vocabulary import GrantType

Words: TypeAlias = tuple[str, ...]
Holder: TypeAlias = ClientRecord | UserRecord


def commands_to_allow(
    explanation: Explanation, roles: Callable[[], Iterable[Role]]
) -> Iterator[Words]:
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


def explain(question: Question, audience: str) -> Command:
    """Explain the question, at that audience."""
    told = question.on_behalf_of
    through = told.client_id if told else question.client_id if question.user_id else None
    subject = question.user_id or question.client_id or ""
    options = ["--client", through] if through else []
    options += ["--on-behalf-of", told.user_id, "--from", told.audience] if told else []
    options += ["--agno", question.version] if question.version != NEWEST else []
    words = ("explain", subject, question.method, question.path, "--audience", audience, *options)
    body = question.model_dump(exclude_none=True, exclude_defaults=True) | {"audience": audience}
    return Command(words, "POST", ("explain",), body)


def preview(client: str, *, user: str = "", audience: str = "") -> Command:
    """Show the claims of a token of the client, or of the user through it."""
    options = [*(["--user", user] if user else []), *(["--audience", audience] if audience else [])]
    members = {"client_id": client, "user_id": user, "audience": audience}
    body = {name: value for name, value in members.items() if value}
    return Command(("preview", client, *options), "POST", ("preview",), body)


def _of(holder: Holder, *words: str) -> Words:
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
