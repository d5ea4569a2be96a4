"""The trusts of a client: tokens of other issuers that authenticate it. Add, edit and remove."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.clients.trust import Trust
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, NotFound
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.web.console.clients.trust_form import (
    KINDS,
    exact_trust,
    in_words,
    named_trust,
    new_trust,
    trust_as_typed,
)
from issuer.web.console.screens.action import ResourceAction
from issuer.web.console.screens.resource_form import field_errors, some_keys
from issuer.web.console.screens.views import Command, ConsolePage

_BAD_REQUEST = 400
EXACT = "exact"


@dataclass(frozen=True, kw_only=True)
class TrustPage(ConsolePage):
    """`kind` is one of `kinds`, or `EXACT` for the form for a change. `issuers` are to choose from.

    `own_url` is the audience of the tokens, if none is named.
    """

    TEMPLATE = "console/trust.html"
    client_id: str
    kind: str
    issuers: tuple[str, ...]
    own_url: str
    kinds: tuple[str, ...] = KINDS

    @property
    def title(self) -> str:
        if self.kind == EXACT:
            return f"Edit a trust of {self.client_id}"
        return f"Add a trust to {self.client_id}"


def show_new_trust(action: ResourceAction) -> Response:
    return _form(action, _kind(action))


def show_trust(action: ResourceAction) -> Response:
    """The form for a change of the one with the number in the field `trust`, from 0."""
    number, trusts = action.form.get("trust", ""), action.resource.trusts
    if number not in map(str, range(len(trusts))):
        raise NotFound("trust", number)
    return _form(action, EXACT, trust_as_typed(trusts[int(number)]))


def add_trust(action: ResourceAction) -> Response:
    kind = _kind(action)
    try:
        with _work(action) as work:
            trust = new_trust(work, action.form, kind, create=action.is_confirmed)
            if action.is_confirmed:
                _set(action, work, [*work.clients.get(action.key).trusts, trust])
    except InvalidField as error:
        return _form(action, kind, action.form, field_errors(error))
    command = _command(action, [*action.resource.trusts, trust], _to_add(action, trust))
    if not action.is_confirmed:
        return _asked(action, trust, command, "Add trust")
    return action.finished(f"Tokens of {trust.subject} authenticate {action.key}.", command)


def save_trust(action: ResourceAction) -> Response:
    """`NotFound` if it was changed or removed since the form was shown."""
    form = action.form
    try:
        with _work(action) as work:
            trusts = work.clients.get(action.key).trusts
            was = named_trust(trusts, form.get("was", ""))
            trust = exact_trust(work, form)
            after = [trust if each == was else each for each in trusts]
            if action.is_confirmed:
                _set(action, work, after)
    except InvalidField as error:
        return _form(action, EXACT, form, field_errors(error))
    cli = f"{_to_remove(action, was)}\n{_to_add(action, trust)}"
    command = _command(action, after, cli)
    if not action.is_confirmed:
        return _asked(action, trust, command, "Save")
    return action.finished(f"The trust in {trust.subject} is changed.", command)


def remove_trust(action: ResourceAction) -> Response:
    with _work(action) as work:
        trusts = work.clients.get(action.key).trusts
        trust = named_trust(trusts, action.form.get("was", ""))
        left = [each for each in trusts if each != trust]
        if action.is_confirmed:
            _set(action, work, left)
    command = _command(action, left, _to_remove(action, trust))
    if not action.is_confirmed:
        return action.ask(
            f"Remove the trust in {trust.subject} of {trust.issuer}?",
            f"Its tokens no longer authenticate {action.key}, within a second. Tokens that were"
            " issued before stay valid until they expire.",
            "Remove trust",
            command,
            {"was": trust.model_dump_json()},
        )
    return action.finished(f"The trust in {trust.subject} is removed.", command)


def _asked(action: ResourceAction, trust: Trust, command: Command, button: str) -> Response:
    own_url = action.endpoint.parts.settings.url
    return action.ask(
        f"Accept these tokens as {action.key}?",
        f"{in_words(trust, own_url)} Whoever has such a token can do what {action.key} may do.",
        button,
        command,
        action.kept,
        is_dangerous=False,
    )


def _form(
    action: ResourceAction,
    kind: str,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    with action.operator.work(CLIENT.read) as work:
        issuers = some_keys(action.operator, work, TRUSTED_ISSUER)
    page = partial(
        TrustPage,
        client_id=action.key,
        kind=kind,
        issuers=issuers,
        own_url=action.endpoint.parts.settings.url,
    )
    return action.form_page(page, values or {}, errors, _BAD_REQUEST if errors else 200)


def _kind(action: ResourceAction) -> str:
    kind = action.form.get("kind", "")
    return kind if kind in KINDS else KINDS[0]


def _work(action: ResourceAction) -> AbstractContextManager[UnitOfWork]:
    """Changes nothing before it is confirmed."""
    return action.operator.work(CLIENT.write if action.is_confirmed else CLIENT.read)


def _set(action: ResourceAction, work: UnitOfWork, trusts: list[Trust]) -> None:
    work.clients.update(action.key, _body(trusts))


def _body(trusts: list[Trust]) -> dict[str, object]:
    return {"trusts": [trust.model_dump(mode="json") for trust in trusts]}


def _command(action: ResourceAction, trusts: list[Trust], cli: str) -> Command:
    """The admin API replaces all trusts of the client."""
    same = action.command((), "PATCH", body=_body(trusts))
    return Command(cli, same.rest, same.body)


def _to_add(action: ResourceAction, trust: Trust) -> str:
    claims = [p for n, v in trust.claims.items() for p in ("--claim", f"{n}={json.dumps(v)}")]
    audience = ["--audience", trust.audience] if trust.audience else []
    once = ["--once"] if trust.once else []
    cli = ("--issuer", trust.issuer, "--oidc", trust.subject, *audience, *claims, *once)
    return action.command(("trust", "add", action.key, *cli), "").cli


def _to_remove(action: ResourceAction, trust: Trust) -> str:
    cli = ("--issuer", trust.issuer, "--subject", trust.subject)
    return action.command(("trust", "remove", action.key, *cli), "").cli
