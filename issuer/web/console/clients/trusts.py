"""The trusts of a client: tokens of other issuers that authenticate it. Add and edit."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from issuer.clients import operations
from issuer.clients.client import CLIENT
from issuer.clients.trust import Trust, named_trusts, patch_of_trusts
from issuer.clients.trust_presets import PLATFORMS, Workload, preset
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, NotFound
from issuer.resources import Command
from issuer.resources.resource_type import members_of
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.web.console.screens import resource_form as forms
from issuer.web.console.screens.resource import ResourceScreen

EXACT = "exact"
_OF_TRUST, _OF_WORKLOAD = members_of(Trust), members_of(Workload)


def show_new_trust(screen: ResourceScreen) -> Response:
    return _form_page(screen, _kind(screen.visit.query))


def show_trust(screen: ResourceScreen) -> Response:
    """The form for a change of the one with the number in the query, from 0."""
    number, trusts = screen.visit.query["trust"], screen.resource.trusts
    if number not in map(str, range(len(trusts))):
        raise NotFound("trust", number)
    trust = trusts[int(number)]
    values = {**forms.as_typed(_OF_TRUST, trust), "trust": trust.model_dump_json()}
    return _form_page(screen, EXACT, values=values)


def add_trust(screen: ResourceScreen) -> Response:
    kind = _kind(screen.form)
    try:
        with _work(screen) as work:
            trust = _new_trust(work, screen.form, kind, create=screen.is_confirmed)
            if screen.is_confirmed:
                trusts = [*work.clients.get(screen.key).trusts, trust]
                work.clients.update(screen.key, patch_of_trusts(trusts))
    except InvalidField as error:
        return _form_page(screen, kind, values=screen.form, errors=forms.field_errors(error))
    added = operations.add_trust(screen.key, trust)
    command = _command(screen, [*screen.resource.trusts, trust], added.words)
    if not screen.is_confirmed:
        return _ask(screen, trust, command, "Add trust")
    return screen.finished(f"Tokens of {trust.subject} authenticate {screen.key}.", command)


def save_trust(screen: ResourceScreen) -> Response:
    """`NotFound` if it was changed or removed since the form was shown."""
    form = screen.form
    try:
        with _work(screen) as work:
            trusts = work.clients.get(screen.key).trusts
            was = named_trusts(trusts, form.get("trust", ""))[0]
            trust = Trust.read(_typed(work, form))
            after = [trust if each == was else each for each in trusts]
            if screen.is_confirmed:
                work.clients.update(screen.key, patch_of_trusts(after))
    except InvalidField as error:
        return _form_page(screen, EXACT, values=form, errors=forms.field_errors(error))
    removal = operations.REMOVE_TRUST.command(screen.key, was.model_dump_json()).words
    command = _command(screen, after, removal, operations.add_trust(screen.key, trust).words)
    if not screen.is_confirmed:
        return _ask(screen, trust, command, "Save")
    return screen.finished(f"The trust in {trust.subject} is changed.", command)


def _ask(screen: ResourceScreen, trust: Trust, command: Command, button: str) -> Response:
    accepted = _in_words(trust, screen.parts.settings.url)
    why = f"{accepted} Whoever has such a token can do what {screen.key} may do."
    question = f"Accept these tokens as {screen.key}?", why, button
    return screen.confirm(question, command, screen.kept, is_dangerous=False)


def _form_page(screen: ResourceScreen, kind: str, **shown: Any) -> Response:
    """`kind` is one of `PLATFORMS`, or `EXACT` for the form for a change."""
    with screen.operator.work(CLIENT.read) as work:
        issuers = forms.choices_of(
            screen.operator, work, TRUSTED_ISSUER, screen.form.get("issuer", "")
        )
    return screen.answer(
        "trust",
        f"{'Edit a trust of' if kind == EXACT else 'Add a trust to'} {screen.key}",
        kind=kind,
        platforms=PLATFORMS,
        workload=_OF_WORKLOAD,
        trust=_OF_TRUST,
        issuers=issuers,
        suggests=True,
        own_url=screen.parts.settings.url,
        **shown,
    )


def _kind(given: Mapping[str, str]) -> str:
    kind = given.get("kind", "")
    return kind if kind in PLATFORMS else next(iter(PLATFORMS))


def _work(screen: ResourceScreen) -> AbstractContextManager[UnitOfWork]:
    """Changes nothing before it is confirmed."""
    return screen.operator.work(CLIENT.write if screen.is_confirmed else CLIENT.read)


def _command(
    screen: ResourceScreen, trusts: list[Trust], words: tuple[str, ...], then: tuple[str, ...] = ()
) -> Command:
    """The admin API replaces all trusts of the client; one command or two do it."""
    command = CLIENT.update_command(screen.key, patch_of_trusts(trusts))
    return replace(command, words=words, then=then)


def _new_trust(work: UnitOfWork, form: Mapping[str, str], kind: str, *, create: bool) -> Trust:
    """The trust of a form of that kind; `InvalidField` if it cannot be one.

    With `create`, the trusted issuers of GitHub and GitLab are created if they are missing.
    """
    workload = forms.typed_members(Workload, _OF_WORKLOAD, form)
    given = {name: value for name, value in workload.items() if value}
    found = preset(Workload.read({kind: "", **given}))
    typed = _typed(work, form)
    issuer = typed["issuer"] or _issuer_for(work, found.issuer, create)
    claims = {**found.claims, **typed["claims"]}
    try:
        return Trust.read({**typed, "issuer": issuer, "subject": found.subject, "claims": claims})
    except InvalidField as error:
        raise error.renamed({"subject": kind}) from None


def _in_words(trust: Trust, own_url: str) -> str:
    """What a token must have."""
    audience = trust.audience or own_url
    text = f"A token is accepted if it is of the trusted issuer {trust.issuer}, its sub is"
    text += f" {trust.subject}, and its aud is {audience}, alone or among others."
    if trust.claims:
        claims = (f"{name} is {json.dumps(value)}" for name, value in trust.claims.items())
        text += f" Of its claims, {' and '.join(claims)}."
    return text + (" Each token is accepted once." if trust.once else "")


def _typed(work: UnitOfWork, form: Mapping[str, str]) -> dict[str, Any]:
    typed = forms.typed_members(Trust, _OF_TRUST, form)
    if (issuer := typed["issuer"]) and not work.trusted_issuers.exists(issuer):
        raise InvalidField("issuer", f"there is no trusted issuer {issuer!r}")
    if not isinstance(typed["claims"], dict):
        raise InvalidField("claims", "must be a JSON object")
    return typed


def _issuer_for(work: UnitOfWork, url: str | None, create: bool) -> str:
    if url is None:
        raise InvalidField("issuer", "name the trusted issuer whose tokens they are")
    try:
        return work.trusted_issuers.find_by_url(url, create=create).id
    except NotFound:
        raise InvalidField("issuer", f"create a trusted issuer for {url} first") from None
