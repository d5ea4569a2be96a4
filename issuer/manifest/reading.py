"""From a file to a manifest, or to everything that is wrong with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from issuer.audiences import AudienceFields
from issuer.close_names import did_you_mean
from issuer.manifest import current
from issuer.manifest.document import Document
from issuer.manifest.entries import ClientEntry, Entries, UserEntry
from issuer.manifest.names import dangling, declares, named, references, repeated
from issuer.manifest.parsing import MAX_BYTES, parse
from issuer.manifest.problems import InvalidManifest, Path, Problem
from issuer.manifest.resources import Kind, Resource
from issuer.roles import Assignment, RoleFields
from issuer.vocabulary import SigningAlgorithm

_IN_OUR_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "bool_type": "must be true or false",
    "string_type": "must be text; in quotes, if it looks like something else",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}


@dataclass(frozen=True)
class Manifest:
    """A house as a file declares it. `file` is what messages call it."""

    file: str
    entries: Entries
    document: Document = field(repr=False)

    def declares(self, section: str) -> bool:
        """Whether it speaks of the section at all."""
        return declares(self.document.data, section)

    def scopes(self) -> Iterator[tuple[Resource, list[str]]]:
        """The roles and clients it declares, and the scopes it gives them."""
        for role in self.entries.roles:
            yield Resource(Kind.ROLE, role.name, role.name), role.scopes
        for client in self.entries.clients:
            yield Resource(Kind.CLIENT, client.client_id, client.client_id), client.scopes

    def problem(self, path: Path, message: str) -> Problem:
        """Something wrong with what stands at `path`."""
        return Problem(self.document.place.line_of(path), path, message)


def read(
    source: bytes | str,
    file: str = "-",
    work: current.Configuration | None = None,
    *,
    prune: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Manifest:
    """The manifest in `source`, or `InvalidManifest` with everything that is wrong with it.

    With `rooms`, it must also fit this house: whatever it refers to is declared or there, and
    stays when the rest is pruned. `plan` demands that too, but of a file that can be read.
    """
    document = parse(source, max_bytes)
    problems = list(document.problems)
    entries = _validated(document, problems)
    problems += repeated(document)
    if work is not None:
        current.require_readable(work)
        problems += unfit(work, document, prune=prune)
    if problems or entries is None:
        raise InvalidManifest(file, problems)
    return Manifest(file, entries, document)


def unfit(work: current.Configuration, document: Document, *, prune: bool) -> Iterator[Problem]:
    """What this house cannot be: algorithms it lacks, names of what will not be there."""
    data = document.data
    for path, alg in named(data, "audiences", "signing_alg"):
        if alg in set(SigningAlgorithm) - set(work.audiences.algorithms):
            message = "is not one of ISSUER_SIGNING_ALGORITHMS"
            yield Problem(document.place.line_of(path), path, message)
    yield from dangling(document, references(data), _known(work, data, prune=prune))


def _known(work: current.Configuration, data: object, *, prune: bool) -> dict[str, set[str]]:
    """The names of audiences and roles that will be there."""
    known = {
        "audience": {name for _, name in named(data, "audiences", "id")},
        "role": {name for _, name in named(data, "roles", "name")},
    }
    if not (prune and declares(data, "audiences")):
        known["audience"] |= {audience.id for audience in current.audiences(work)}
    if not (prune and declares(data, "roles")):
        known["role"] |= {role.name for role in current.roles(work)}
    known["audience"].add(work.audiences.own_id)
    return known


def _validated(document: Document, problems: list[Problem]) -> Entries | None:
    if document.problems and document.data is None:
        return None  # not read to its end
    try:
        return Entries.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    for each in found:
        path = each["loc"]
        if not any(path[:depth] in document.unread for depth in range(len(path) + 1)):
            message = _IN_OUR_WORDS.get(each["type"], each["msg"].removeprefix("Value error, "))
            if each["type"] == "extra_forbidden":
                message += _meant(path)
            problems.append(Problem(document.place.line_of(path), path, message))
    return None


_MEMBERS: dict[tuple[str, ...], Iterable[str]] = {
    (): Entries.model_fields,
    ("audiences",): AudienceFields.model_fields,
    ("roles",): RoleFields.model_fields,
    ("clients",): ClientEntry.model_fields,
    ("users",): UserEntry.model_fields,
    ("clients", "roles"): Assignment.model_fields,
    ("users", "roles"): Assignment.model_fields,
}


def _meant(path: Path) -> str:
    """The member that somebody probably meant by the last part of the path."""
    *place, name = path
    known = _MEMBERS.get(tuple(str(each) for each in place if not isinstance(each, int)), ())
    meant = did_you_mean(str(name), known)
    return f";{meant.lower()}" if meant else ""
