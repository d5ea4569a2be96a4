"""Names in a manifest: they must be unique, and refer to something that exists."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from issuer.fields.ids import fold_id
from issuer.fields.text import did_you_mean
from issuer.fields.usernames import fold_username
from issuer.groups.group import fold_name
from issuer.manifest.entries import PRINCIPALS, TYPES, plain_types
from issuer.manifest.parsing import Document
from issuer.manifest.problems import ManifestProblem, Path, spell

Named: TypeAlias = tuple[Path, str]

MAX_SUGGESTIONS = 20
_ROLE = {"audience": "audience", "role": "role"}
_OBJECTS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("clients", "trusts", {"issuer": "trusted issuer"}),
    ("clients", "may_act", {"from": "audience", "to": "audience"}),
    ("clients", "roles", _ROLE),
    ("users", "roles", _ROLE),
    ("groups", "roles", _ROLE),
)


def repetitions(document: Document) -> Iterator[ManifestProblem]:
    """Names used twice, compared as the domain does."""
    data = document.data
    principals = [each for kind in PRINCIPALS for each in names_in(data, kind.attribute, kind.key)]
    for each in plain_types():
        yield from _repetitions(document, names_in(data, each.attribute, each.key), str)
    for names, form in (
        (principals, fold_id),
        (names_in(data, "users", "username"), fold_username),
        (names_in(data, "groups", "name"), fold_name),
        # The `aud` of a token is an audience, that of an ID token a client.
        ([*names_in(data, "audiences", "id"), *names_in(data, "clients", "client_id")], str),
    ):
        yield from _repetitions(document, names, form)
    yield from _repetitions(document, _names_of_audiences(data), _without_slash)


def _names_of_audiences(data: object) -> Iterator[Named]:
    """The ids of audiences and their resources, which requests may name instead."""
    for path, entry in _entries(data, "audiences"):
        names = {name for _, name in _items(entry, "resources") if isinstance(name, str)}
        if isinstance(name := entry.get("id"), str):
            names.discard(name)
            yield (*path, "id"), name
        for name in sorted({_without_slash(each) for each in names}):
            yield (*path, "resources"), name


def _without_slash(name: str) -> str:
    return name.removesuffix("/")


def _repetitions(
    document: Document, names: Iterable[Named], form: Callable[[str], str]
) -> Iterator[ManifestProblem]:
    first: dict[str, Path] = {}
    for path, name in names:
        taken = first.setdefault(form(name), path)
        if taken != path:
            line = document.place.line_of(taken)
            message = f"is taken by {spell(taken)} on line {line}"
            yield document.problem(path, message)


def dangling(document: Document, known: Mapping[str, Collection[str]]) -> Iterator[ManifestProblem]:
    """Names of what is neither declared nor at the issuer; users are `known` by folded names."""
    suggestions = 0
    for path, kind, name in _references(document.data):
        if (fold_username(name) if kind == "user" else name) not in known[kind]:
            suggestions += 1
            meant = did_you_mean(name, known[kind]) if suggestions <= MAX_SUGGESTIONS else ""
            where = "in the manifest or at the issuer"
            message = f"there is no {kind} {name!r}, {where}{meant and f'.{meant}'}"
            yield document.problem(path, message)


def _references(data: object) -> Iterator[tuple[Path, str, str]]:
    yield from _members_naming(data)
    for path, entry in _entries(data, "trusted_issuers"):
        if isinstance(sign_in := entry.get("sign_in"), Mapping):
            yield from _named_in((*path, "sign_in"), sign_in, "roles", _ROLE)
    for section, member, by_naming in _OBJECTS:
        for path, entry in _entries(data, section):
            yield from _named_in(path, entry, member, by_naming)
    yield from ((path, "user", name) for path, name in members_of_groups(data))


def _members_naming(data: object) -> Iterator[tuple[Path, str, str]]:
    """What members that are lists of names refer to, such as the audiences of a client."""
    for each in TYPES.values():
        kinds = {member: about.names for member, about in each.members.items() if about.names}
        for path, entry in _entries(data, each.attribute):
            for member, kind in kinds.items():
                yield from ((at, kind, name) for at, name in _texts(path, entry, member))


def members_of_groups(data: object) -> Iterator[Named]:
    for path, entry in _entries(data, "groups"):
        yield from _texts(path, entry, "members")


def _texts(path: Path, entry: Mapping[str, object], member: str) -> Iterator[Named]:
    for at, name in _items(entry, member):
        if isinstance(name, str):
            yield (*path, *at), name


def _named_in(
    path: Path, entry: Mapping[str, object], member: str, kinds: Mapping[str, str]
) -> Iterator[tuple[Path, str, str]]:
    """What the objects in a list name, by the members `kinds` of theirs."""
    for at, item in _items(entry, member):
        for naming, kind in kinds.items():
            name = item.get(naming) if isinstance(item, Mapping) else None
            if isinstance(name, str):
                yield (*path, *at, naming), kind, name


def declares(data: object, section: str) -> bool:
    return isinstance(data, Mapping) and section in data


def names_in(data: object, section: str, member: str) -> Iterator[Named]:
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
