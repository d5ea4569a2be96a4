"""A trust of a client, as forms have it: by what its platform calls the workload, or exactly."""

import json
from collections.abc import Mapping
from typing import Any

from issuer.clients.trust import Trust
from issuer.clients.trust_presets import Workload, preset
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, NotFound
from issuer.resources.resource_type import members_of
from issuer.web.console.screens.resource_form import as_typed, typed_members

_OF_TRUST, _OF_WORKLOAD = members_of(Trust), members_of(Workload)


def new_trust(work: UnitOfWork, form: Mapping[str, str], kind: str, *, create: bool) -> Trust:
    """The trust of a form of that kind; `InvalidField` if it cannot be one.

    With `create`, the trusted issuers of GitHub and GitLab are created if they are missing.
    """
    workload = typed_members(Workload, _OF_WORKLOAD, form)
    given = {name: value for name, value in workload.items() if value}
    found = preset(Workload.read({kind: "", **given}))
    typed = _typed(work, form)
    issuer = typed["issuer"] or _issuer_for(work, found.issuer, create)
    claims = {**found.claims, **typed["claims"]}
    try:
        return Trust.read({**typed, "issuer": issuer, "subject": found.subject, "claims": claims})
    except InvalidField as error:
        raise error.renamed({"subject": kind}) from None


def exact_trust(work: UnitOfWork, form: Mapping[str, str]) -> Trust:
    """The trust of a form with its members themselves; `InvalidField` if it cannot be one."""
    return Trust.read(_typed(work, form))


def trust_as_typed(trust: Trust) -> dict[str, str]:
    """The fields of the form for a change, with `trust`: what is changed."""
    return {**as_typed(_OF_TRUST, trust), "trust": trust.model_dump_json()}


def in_words(trust: Trust, own_url: str) -> str:
    """What a token must have."""
    audience = trust.audience or own_url
    text = f"A token is accepted if it is of the trusted issuer {trust.issuer}, its sub is"
    text += f" {trust.subject}, and its aud is {audience}, alone or among others."
    if trust.claims:
        claims = (f"{name} is {json.dumps(value)}" for name, value in trust.claims.items())
        text += f" Of its claims, {' and '.join(claims)}."
    return text + (" Each token is accepted once." if trust.once else "")


def _typed(work: UnitOfWork, form: Mapping[str, str]) -> dict[str, Any]:
    typed = typed_members(Trust, _OF_TRUST, form)
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
