"""Likely mistakes in a set of scopes: warnings, and misspelled names, which are refused."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from issuer.catalogue.catalogue import SUPPORTED, Catalogue
from issuer.catalogue.decision import try_parse
from issuer.catalogue.entries import POWERFUL, versions_with
from issuer.catalogue.suggestions import actions_of, did_you_mean, misspelling_of
from issuer.errors import InvalidField
from issuer.scopes import AGENT_OS_ADMIN, Scope, covers


class Code(StrEnum):
    """The kind of a finding. Scripts may rely on these."""

    NOT_A_SCOPE = "not-a-scope"
    UNKNOWN_SCOPE = "unknown-scope"
    OLD_NAME = "old-name"
    PER_RESOURCE_MEANS_NOTHING = "per-resource-means-nothing"
    ONLY_IN_VERSION = "only-in-version"
    POWERFUL = "powerful"
    RUN_WITHOUT_READ = "run-without-read"
    COVERED_BY_ANOTHER = "covered-by-another"


@dataclass(frozen=True, slots=True)
class ScopeFinding:
    """A sentence about one scope; `suggestion` is a scope to use instead or in addition."""

    code: Code
    scope: str
    message: str
    suggestion: str | None = None

    def as_json(self) -> dict[str, str | None]:
        return asdict(self)


OTHERWISE = "If not, allow unknown scopes (--allow-unknown-scopes, allow_unknown_scopes=true)."


def lint(scopes: Iterable[str], versions: Iterable[str] = SUPPORTED) -> list[ScopeFinding]:
    """Likely mistakes in `scopes` for an AgentOS of one of `versions`, in the order of scopes.

    Scopes of the issuer's own API are always known. `UnknownVersion` for an unknown version.
    """
    wanted = [Catalogue.load(version).version for version in versions]
    texts = list(dict.fromkeys(scopes))
    valid = [scope for text in texts if (scope := try_parse(text))]
    return [finding for text in texts for finding in _findings(text, valid, wanted)]


def misspellings(scopes: Iterable[str]) -> Iterator[ScopeFinding]:
    """The unknown scopes in `scopes` that are nearly a known one, each with its suggestion."""
    for text in scopes:
        scope = try_parse(text)
        if scope is not None and _is_unknown(scope) and misspelling_of(text):
            yield _unknown(scope)


def reject_misspelled(scopes: Iterable[str]) -> None:
    """`InvalidField` naming the misspelled ones."""
    if problems := [("scopes", f"{each.message} {OTHERWISE}") for each in misspellings(scopes)]:
        raise InvalidField(*problems[0], *problems[1:])


def _findings(text: str, held: list[Scope], versions: list[str]) -> Iterator[ScopeFinding]:
    scope = try_parse(text)
    if scope is None:
        yield ScopeFinding(Code.NOT_A_SCOPE, text, f"{text!r} is not a scope that can be granted.")
        return
    if not scope.is_of_issuer and scope.text != AGENT_OS_ADMIN:
        yield from _about_its_name(scope, versions)
    if covering := _covering(scope, held):
        message = f"{scope.text} adds nothing, since {covering.text} covers it."
        yield ScopeFinding(Code.COVERED_BY_ANOTHER, scope.text, message)
        return
    wide = scope.canonical.replace(":*:", ":")
    if wide in POWERFUL:
        message = f"{scope.text} allows more than its name says: it {POWERFUL[wide]}."
        yield ScopeFinding(Code.POWERFUL, scope.text, message)
    yield from _run_without_read(scope, held)


def _is_unknown(scope: Scope) -> bool:
    if scope.is_of_issuer or scope.text == AGENT_OS_ADMIN:
        return False
    return ":" not in scope.text or not _versions_with(scope)


def _versions_with(scope: Scope) -> tuple[str, ...]:
    resource, _, action = scope.canonical.split(":")
    return versions_with(resource, action)


def _about_its_name(scope: Scope, versions: list[str]) -> Iterator[ScopeFinding]:
    if _is_unknown(scope):
        yield _unknown(scope)
        return
    resource, resource_id, action = scope.canonical.split(":")
    known_in = _versions_with(scope)
    was, rest = scope.text.split(":", 1)
    if was != resource:
        new = f"{resource}:{rest}"
        message = f"{scope.text} is the old name of {new}; AgentOS still understands both."
        yield ScopeFinding(Code.OLD_NAME, scope.text, message, new)
    yield from _in_other_versions(scope, known_in, versions)
    if resource_id != "*" and not Catalogue.load(known_in[-1]).resources[resource].takes_ids:
        message = (
            f"AgentOS checks {resource} as a whole, so {scope.text} allows nothing;"
            f" {resource}:{action} would allow all of them."
        )
        wide = f"{resource}:{action}"
        yield ScopeFinding(Code.PER_RESOURCE_MEANS_NOTHING, scope.text, message, wide)


def _unknown(scope: Scope) -> ScopeFinding:
    meant = did_you_mean(scope.text)
    message = f"No known AgentOS version has {scope.text}"
    if meant:
        message += f"; did you mean {meant}?"
    elif ":" not in scope.text:
        message = (
            f"AgentOS ignores names without a colon, so {scope.text} allows nothing there,"
            " which is fine if it is for your own application."
        )
    elif actions := actions_of(scope.canonical.split(":")[0]):
        message += f"; the actions there are: {', '.join(actions)}."
    else:
        message += ", which is fine if it is for your own application or route."
    return ScopeFinding(Code.UNKNOWN_SCOPE, scope.text, message, meant)


def _in_other_versions(
    scope: Scope, known_in: tuple[str, ...], versions: list[str]
) -> Iterator[ScopeFinding]:
    resource = Catalogue.load(known_in[-1]).resources[scope.canonical.split(":")[0]]
    mode = ", in company mode" if resource.company_only else ""
    if not mode and set(versions) <= set(known_in):
        return
    since = SUPPORTED.index(known_in[0])
    which = f"in agno {', '.join(known_in)}"
    if known_in == SUPPORTED[since:]:
        which = f"from agno {known_in[0]} on"
    message = f"AgentOS has {scope.text} only {which}{mode}."
    yield ScopeFinding(Code.ONLY_IN_VERSION, scope.text, message)


def _covering(scope: Scope, held: list[Scope]) -> Scope | None:
    """Another scope that makes this one redundant; of two equivalent ones, the first."""
    twins = [other for other in held if other.canonical == scope.canonical]
    if twins[0].text != scope.text:
        return twins[0]
    wider = (other for other in held if other.canonical in scope.covered_by)
    return next((other for other in wider if other not in twins), None)


def _run_without_read(scope: Scope, held: list[Scope]) -> Iterator[ScopeFinding]:
    resource, _, rest = scope.canonical.partition(":")
    resource_id, _, action = rest.rpartition(":")
    read = f"{scope.text.rpartition(':')[0]}:read"
    if action != "run" or "run" not in actions_of(resource):
        return
    if covers((other.text for other in held), read):
        return
    hidden = "them" if resource_id == "*" else resource_id
    message = (
        f"Without {read}, lists of {resource} omit {hidden} or answer 403, and runs cannot be read."
    )
    yield ScopeFinding(Code.RUN_WITHOUT_READ, scope.text, message, read)
