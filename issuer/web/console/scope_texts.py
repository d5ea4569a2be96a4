"""Scopes as people type and read them: one a line, with their meaning and likely mistakes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from issuer.catalogue import NEWEST, ScopeEntry, ScopeFinding, lint, scopes
from issuer.composition import UnitOfWork
from issuer.web.console.effective_rights import meaning_of

MOST = 100
_ALLOW = "allow_unknown_scopes"


@dataclass(frozen=True, slots=True)
class ScopeInWords:
    scope: str
    meaning: str
    findings: tuple[ScopeFinding, ...]


def in_words(chosen: Sequence[str]) -> tuple[ScopeInWords, ...]:
    """The first `MOST` scopes: checking takes about a millisecond for each."""
    found = findings(chosen)
    return tuple(
        ScopeInWords(scope, meaning_of(scope), tuple(each for each in found if each.scope == scope))
        for scope in chosen[:MOST]
    )


def findings(chosen: Sequence[str]) -> tuple[ScopeFinding, ...]:
    """Likely mistakes in the first `MOST` scopes, for the newest AgentOS."""
    return tuple(lint(chosen[:MOST], [NEWEST]))


def known_scopes() -> list[ScopeEntry]:
    return scopes(NEWEST)


def typed_scopes(form: Mapping[str, str]) -> list[str]:
    """The texts of the list, and of the field that completes names."""
    return [*form.get("scopes", "").split(), *form.get("add", "").split()]


def allow_if_ticked(work: UnitOfWork, form: Mapping[str, str]) -> None:
    """Allow misspelled scopes if the form says so: its box appears once they were refused."""
    if form.get(_ALLOW) == "yes":
        work.allow_unknown_scopes()


def ticked(form: Mapping[str, str]) -> dict[str, str]:
    return {name: form[name] for name in (_ALLOW,) if name in form}


def one_a_line(chosen: Iterable[str]) -> str:
    return "\n".join(chosen)
