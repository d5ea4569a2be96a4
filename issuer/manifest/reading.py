"""From a file to a manifest, or to all its errors."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from issuer.audiences import AUDIENCE, AudienceFields
from issuer.clients.trust import Trust
from issuer.fields.text import did_you_mean
from issuer.manifest import current
from issuer.manifest.entries import ClientEntry, Entries, Kind, Resource, UserEntry
from issuer.manifest.events import Document
from issuer.manifest.names import dangling, declares, named, references, repeated
from issuer.manifest.parsing import MAX_BYTES, parse
from issuer.manifest.problems import InvalidManifest, ManifestProblem, Path
from issuer.roles import ROLE, Assignment, RoleFields
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields
from issuer.vocabulary import SigningAlgorithm

_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a known member",
    "bool_type": "must be true or false",
    "string_type": "must be a string; quote it if it looks like another type",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}


@dataclass(frozen=True)
class Manifest:
    """A configuration as declared in a file. `file` is its name in messages."""

    file: str
    entries: Entries
    document: Document = field(repr=False)

    def declares(self, section: str) -> bool:
        """Whether it has the section."""
        return declares(self.document.data, section)

    def scopes(self) -> Iterator[tuple[Resource, list[str]]]:
        """The declared roles and clients with their scopes."""
        for role in self.entries.roles:
            yield Resource(Kind.ROLE, role.name, role.name), role.scopes
        for client in self.entries.clients:
            yield Resource(Kind.CLIENT, client.client_id, client.client_id), client.scopes

    def problem(self, path: Path, message: str) -> ManifestProblem:
        """An error in the value at `path`."""
        return ManifestProblem(self.document.place.line_of(path), path, message)


def read(
    source: bytes | str,
    file: str = "-",
    work: current.Configuration | None = None,
    *,
    prune: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Manifest:
    """The manifest in `source`, or `InvalidManifest` with all its errors.

    With `work`, it must also fit the issuer: every name it refers to is declared or exists, and
    is not pruned. `plan` checks that too, but only for a file without other errors.
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


def unfit(
    work: current.Configuration, document: Document, *, prune: bool
) -> Iterator[ManifestProblem]:
    """What the issuer cannot apply: unavailable algorithms, names of what will not exist."""
    data = document.data
    for path, alg in named(data, "audiences", "signing_alg"):
        if alg in set(SigningAlgorithm) - set(work.audiences.algorithms):
            message = "is not one of ISSUER_SIGNING_ALGORITHMS"
            yield ManifestProblem(document.place.line_of(path), path, message)
    yield from dangling(document, references(data), _known(work, data, prune=prune))


def _known(work: current.Configuration, data: object, *, prune: bool) -> dict[str, set[str]]:
    """The names of audiences, trusted issuers and roles that will exist."""
    known = {
        "audience": {name for _, name in named(data, "audiences", "id")},
        "trusted issuer": {name for _, name in named(data, "trusted_issuers", "id")},
        "role": {name for _, name in named(data, "roles", "name")},
    }
    if not (prune and declares(data, "trusted_issuers")):
        there = current.resources(work, TRUSTED_ISSUER)
        known["trusted issuer"] |= {each.id for each in there}
    if not (prune and declares(data, "audiences")):
        known["audience"] |= {audience.id for audience in current.resources(work, AUDIENCE)}
    if not (prune and declares(data, "roles")):
        known["role"] |= {role.name for role in current.resources(work, ROLE)}
    known["audience"].add(work.audiences.own_id)
    return known


def _validated(document: Document, problems: list[ManifestProblem]) -> Entries | None:
    if document.problems and document.data is None:
        return None  # not read to the end
    try:
        return Entries.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    for each in found:
        path = each["loc"]
        if not any(path[:depth] in document.unread for depth in range(len(path) + 1)):
            message = _MESSAGES.get(each["type"], each["msg"].removeprefix("Value error, "))
            if each["type"] == "extra_forbidden":
                message += _meant(path)
            problems.append(ManifestProblem(document.place.line_of(path), path, message))
    return None


_MEMBERS: dict[tuple[str, ...], Iterable[str]] = {
    (): Entries.model_fields,
    ("audiences",): AudienceFields.model_fields,
    ("trusted_issuers",): TrustedIssuerFields.model_fields,
    ("roles",): RoleFields.model_fields,
    ("clients",): ClientEntry.model_fields,
    ("users",): UserEntry.model_fields,
    ("clients", "roles"): Assignment.model_fields,
    ("clients", "trusts"): Trust.model_fields,
    ("users", "roles"): Assignment.model_fields,
}


def _meant(path: Path) -> str:
    """A suggestion for the last part of the path, if a known member is similar."""
    *place, name = path
    known = _MEMBERS.get(tuple(str(each) for each in place if not isinstance(each, int)), ())
    meant = did_you_mean(str(name), known)
    return f";{meant.lower()}" if meant else ""
