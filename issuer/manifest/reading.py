"""From a file to a manifest, or to all its errors."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import ValidationError

from issuer.clients.act_rules import ExternalResource
from issuer.clients.trust import Trust
from issuer.fields.fields import Fields
from issuer.fields.ids import fold_id
from issuer.fields.text import did_you_mean
from issuer.fields.usernames import fold_username
from issuer.manifest import current, names
from issuer.manifest.entries import (
    TYPES,
    Entries,
    Resource,
    entries_model,
    entry_model,
    plain_types,
)
from issuer.manifest.parsing import MAX_BYTES, Document, parse
from issuer.manifest.problems import MAX_PROBLEMS, InvalidManifest, ManifestProblem, Path
from issuer.roles import Assignment
from issuer.trusted_issuers.sign_in import GroupRole, SignInFields
from issuer.vocabulary import SigningAlgorithm

_Error: TypeAlias = dict[str, Any]
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a known member",
    "bool_type": "must be true or false",
    "string_type": "must be a string; quote it if it looks like another type",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
# The members of the objects in the lists of clients, users and groups.
_OF_OBJECTS: dict[str, Iterable[str]] = {
    "roles": Assignment.model_fields,
    "trusts": Trust.model_fields,
    "may_act": ("from", "to"),
    "external_audiences": ExternalResource.model_fields,
}


@dataclass(frozen=True)
class Manifest:
    """A configuration as declared in a file. `file` is its name in messages."""

    file: str
    entries: Entries
    document: Document = field(repr=False)

    def scopes(self) -> Iterator[tuple[Resource, list[str]]]:
        """The declared resources that have scopes, such as roles and clients."""
        for kind, each in TYPES.items():
            if "scopes" in each.fields.model_fields:
                for entry in getattr(self.entries, each.attribute):
                    name = each.key_of(entry)
                    yield Resource(kind, name, name), entry.scopes


def read(
    source: bytes | str,
    file: str = "-",
    work: current.Configuration | None = None,
    *,
    prune: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Manifest:
    """The manifest in `source`, or `InvalidManifest` with all its errors.

    With `work`, every name must also be declared or exist, as `plan` checks it.
    """
    document = parse(source, max_bytes)
    problems, more = list(document.problems), Counter[str]()
    entries = _validate(document, problems, more)
    problems += names.repetitions(document)
    if work is not None:
        current.require_readable(work)
        problems += unfit(work, document, prune=prune)
    if problems or entries is None:
        raise InvalidManifest(file, problems, more.total())
    return Manifest(file, entries, document)


def unfit(
    work: current.Configuration, document: Document, *, prune: bool
) -> Iterator[ManifestProblem]:
    """What the issuer cannot apply: unavailable algorithms, names of what will not exist."""
    data = document.data
    for path, alg in names.names_in(data, "audiences", "signing_alg"):
        if alg in set(SigningAlgorithm) - set(work.audiences.algorithms):
            yield document.problem(path, "is not one of ISSUER_SIGNING_ALGORITHMS")
    yield from names.dangling(document, _names_of(work, data, prune=prune))


def _names_of(work: current.Configuration, data: object, *, prune: bool) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for each in plain_types():
        known[each.kind] = {name for _, name in names.names_in(data, each.attribute, each.key)}
        if not (prune and names.declares(data, each.attribute)):
            known[each.kind] |= {each.key_of(there) for there in current.resources(work, each)}
    known["audience"].add(work.audiences.own_id)
    known["user"] = _known_users(work, data, prune=prune)
    return known


def _known_users(work: current.Configuration, data: object, *, prune: bool) -> set[str]:
    """The folded names, of those in groups, that users will have."""
    declared = {fold_username(name) for _, name in names.names_in(data, "users", "username")}
    wanted = {fold_username(name) for _, name in names.members_of_groups(data)} - declared
    if prune and names.declares(data, "users"):
        return declared
    ids = {fold_id(user_id) for _, user_id in names.names_in(data, "users", "id")}
    found = work.users.ids_by_username(wanted)
    return declared | {name for name, user_id in found.items() if fold_id(user_id) not in ids}


def _validate(
    document: Document, problems: list[ManifestProblem], more: Counter[str]
) -> Entries | None:
    """The entries, unless there are problems. `more` counts those beyond, by section."""
    if document.problems and document.data is None:
        return None  # not read to the end
    errors: list[_Error] = []
    data = document.data
    if isinstance(data, dict):
        data = {name: _entries_of(name, each, errors, more) for name, each in data.items()}
    try:
        entries = entries_model().model_validate(data)
    except ValidationError as error:
        errors += _errors(error)
    if not errors:
        return entries
    problems += _problems(document, errors)
    return None


def _problems(document: Document, errors: Iterable[_Error]) -> Iterator[ManifestProblem]:
    suggestions = 0
    for each in errors:
        path = each["loc"]
        if not any(path[:depth] in document.unread for depth in range(len(path) + 1)):
            message = _MESSAGES.get(each["type"], each["msg"].removeprefix("Value error, "))
            if each["type"] == "extra_forbidden" and suggestions < names.MAX_SUGGESTIONS:
                suggestions += 1
                message += _meant(path)
            yield document.problem(path, message)


def _entries_of(section: str, declared: object, found: list[_Error], more: Counter[str]) -> object:
    """The entries of a section as models. Errors beyond the first thousand are counted."""
    if section not in entries_model().model_fields or not isinstance(declared, list):
        return declared
    model, entries = entry_model(section), list[Fields]()
    for index, each in enumerate(declared):
        try:
            entries.append(model.model_validate(each))
        except ValidationError as error:
            if len(found) >= MAX_PROBLEMS:
                more[section] += error.error_count()
                continue
            found += ({**one, "loc": (section, index, *one["loc"])} for one in _errors(error))
    return entries


def _errors(error: ValidationError) -> list[_Error]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [dict(each) for each in found]


def _members(place: tuple[str, ...]) -> Iterable[str]:
    match place:
        case ():
            return entries_model().model_fields
        case (section,) if section in entries_model().model_fields:
            return entry_model(section).model_fields
        case ("clients" | "users" | "groups", member):
            return _OF_OBJECTS.get(member, ())
        case ("trusted_issuers", "sign_in"):
            return SignInFields.model_fields
        case ("trusted_issuers", "sign_in", "roles"):
            return GroupRole.model_fields
    return ()


def _meant(path: Path) -> str:
    *place, name = path
    known = _members(tuple(str(each) for each in place if not isinstance(each, int)))
    meant = did_you_mean(str(name), known)
    return f";{meant.lower()}" if meant else ""
