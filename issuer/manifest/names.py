"""Names within a manifest: given once, and naming what is there."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from issuer.fields import fold_id
from issuer.manifest.document import Document
from issuer.manifest.problems import Path, Problem, spelled
from issuer.usernames import fold_username

Named: TypeAlias = tuple[Path, str]

_SECTIONS = {"audience": "audiences", "role": "roles"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in a manifest that names an audience or a role."""

    path: Path
    kind: str
    name: str


def repeated(document: Document) -> Iterator[Problem]:
    """Names taken twice, as the rooms would compare them."""
    data = document.data
    principals = [*named(data, "clients", "client_id"), *named(data, "users", "id")]
    for names, form in (
        (named(data, "audiences", "id"), str),
        (named(data, "roles", "name"), str),
        (principals, fold_id),
        (named(data, "users", "username"), fold_username),
    ):
        yield from _repeated(document, names, form)


def _repeated(
    document: Document, names: Iterable[Named], form: Callable[[str], str]
) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, name in names:
        taken = first.setdefault(form(name), path)
        if taken != path:
            line = document.place.line_of(taken)
            message = f"is taken by {spelled(taken)} on line {line}"
            yield Problem(document.place.line_of(path), path, message)


def references(data: object) -> Iterator[Reference]:
    """Every audience and role that clients and users of the manifest name."""
    for section in ("clients", "users"):
        for path, entry in _entries(data, section):
            for at, audience in _items(entry, "audiences"):
                if isinstance(audience, str) and section == "clients":
                    yield Reference((*path, *at), "audience", audience)
            for at, given in _items(entry, "roles"):
                for kind in _SECTIONS:
                    name = given.get(kind) if isinstance(given, Mapping) else None
                    if isinstance(name, str):
                        yield Reference((*path, *at, kind), kind, name)


def dangling(
    document: Document, named_there: Iterable[Reference], known: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """References to what is neither in the manifest nor stays in the house."""
    for each in named_there:
        if each.name not in known[each.kind]:
            message = f"there is no {each.kind} {each.name!r}, here or in the house"
            yield Problem(document.place.line_of(each.path), each.path, message)


def declares(data: object, section: str) -> bool:
    """Whether the manifest speaks of the section at all."""
    return isinstance(data, Mapping) and section in data


def named(data: object, section: str, member: str) -> Iterator[Named]:
    """The values of `member` in the entries of a section, wherever they are text."""
    for path, entry in _entries(data, section):
        name = entry.get(member)
        if isinstance(name, str):
            yield (*path, member), name


def _entries(data: object, section: str) -> Iterator[tuple[Path, Mapping[str, object]]]:
    if isinstance(data, Mapping):
        for at, entry in _items(data, section):
            if isinstance(entry, Mapping):
                yield at, entry


def _items(entry: Mapping[str, object], member: str) -> Iterator[tuple[Path, object]]:
    items = entry.get(member)
    if isinstance(items, list):
        yield from (((member, index), item) for index, item in enumerate(items))
