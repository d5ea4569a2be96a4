"""What a form on the page of a trusted issuer asks for: to change, disable or delete it."""

from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.errors import InUse, InvalidField
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields, TrustedIssuerResource
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.conflicts import differing
from issuer.web.console.field_errors import field_errors
from issuer.web.console.key_fetching import fetched_in_words
from issuer.web.console.resource_action import ResourceAction
from issuer.web.console.trusted_issuer_form import (
    trusted_issuer_as_typed,
    trusted_issuer_options,
    typed_trusted_issuer,
)
from issuer.web.console.trusted_issuers import LIST
from issuer.web.console.views import Command, ConsolePage

_BAD_REQUEST, _CONFLICT = 400, 409
_NAMED = 5


@dataclass(frozen=True)
class TrustedIssuerAction(ResourceAction):
    TYPE = TRUSTED_ISSUER
    issuer: TrustedIssuerResource

    @property
    def key(self) -> str:
        return self.issuer.id


@dataclass(frozen=True, kw_only=True)
class EditTrustedIssuerPage(ConsolePage):
    TEMPLATE = "console/edit_trusted_issuer.html"
    issuer: TrustedIssuerResource
    algorithms: tuple[TokenAlgorithm, ...] = tuple(TokenAlgorithm)

    @property
    def title(self) -> str:
        return f"Edit {self.issuer.id}"


def edit(action: TrustedIssuerAction) -> Response:
    return action.edit_form(_page(action), action.form)


def save(action: TrustedIssuerAction) -> Response:
    """Unless it was changed since the form was shown."""
    form, key = action.form, action.key
    try:
        with action.operator.work(TRUSTED_ISSUER.write) as work:
            now = work.trusted_issuers.get(key)
            fields = typed_trusted_issuer(form, now)
            if is_same := form.get("version") == str(now.version):
                work.trusted_issuers.replace(key, fields)
    except InvalidField as error:
        return action.edit_form(_page(action), form, field_errors(error), _BAD_REQUEST)
    if not is_same:
        return _conflict(replace(action, issuer=now))
    return action.finished(f"The trusted issuer {key} is changed.", _command(action, fields))


def disable(action: TrustedIssuerAction) -> Response:
    key, body = action.key, {"disabled": True}
    command = action.command(("update", key, "--disabled"), "PATCH", body=body)
    if not action.is_confirmed:
        return action.ask(
            f"Disable {key}?",
            "Within a second none of its tokens authenticates a client any more. Tokens that were"
            " issued before stay valid until they expire. It can be enabled again.",
            "Disable trusted issuer",
            command,
        )
    return _set_disabled(action, body, command)


def enable(action: TrustedIssuerAction) -> Response:
    body = {"disabled": False}
    command = action.command(("update", action.key, "--enabled"), "PATCH", body=body)
    return _set_disabled(action, body, command)


def delete(action: TrustedIssuerAction) -> Response:
    """Once its id was typed; clients lose their trusts only if the page said so."""
    key, cascade = action.key, action.form.get("cascade") == "yes"
    if not action.has_typed(key):
        return _asked_to_delete(action)
    try:
        with action.operator.work(TRUSTED_ISSUER.write) as work:
            work.trusted_issuers.delete(key, cascade=cascade)
    except InUse:  # since the page was shown
        return _asked_to_delete(replace(action, form={"do": action.form["do"]}))
    command = action.deletion(cascade=cascade)
    return action.endpoint.finished(LIST, f"The trusted issuer {key} is deleted.", command)


def fetch_keys(action: TrustedIssuerAction) -> Response:
    """Waits for them outside the worker threads."""
    assertions = action.endpoint.parts.administration.client_assertions
    key_set = assertions.key_set_of_issuer(action.key)
    return action.finished(fetched_in_words(action.form, key_set))


def _set_disabled(action: TrustedIssuerAction, body: dict[str, bool], command: Command) -> Response:
    with action.operator.work(TRUSTED_ISSUER.write) as work:
        work.trusted_issuers.update(action.key, body)
    done = "disabled" if body["disabled"] else "enabled"
    return action.finished(f"The trusted issuer {action.key} is {done}.", command)


def _asked_to_delete(action: TrustedIssuerAction) -> Response:
    loses = _loses(action)
    return action.ask(
        f"Delete the trusted issuer {action.key}?",
        f"{loses} Tokens that were issued before stay valid until they expire. This cannot be"
        " undone.",
        "Delete trusted issuer",
        action.deletion(cascade=True),
        {"cascade": "yes"},
        typed=action.key,
    )


def _loses(action: TrustedIssuerAction) -> str:
    if not action.operator.holds(CLIENT.read):
        return "Clients that trust it can no longer authenticate by its tokens."
    with action.operator.work(TRUSTED_ISSUER.read) as work:
        clients = work.trusted_issuers.clients_of(action.key, _NAMED + 1)
    if not clients:
        return "No client trusts it."
    more = " and others" if len(clients) > _NAMED else ""
    return f"{', '.join(clients[:_NAMED])}{more} can no longer authenticate by its tokens."


def _conflict(action: TrustedIssuerAction) -> Response:
    """Both versions: what was typed, and below it what the trusted issuer is now."""
    now = trusted_issuer_as_typed(action.issuer)
    names = {*now, *TokenAlgorithm, "allow_private_addresses"}
    present = differing(now, action.form, names)
    return action.edit_form(_page(action), action.form, status=_CONFLICT, present=present)


def _page(action: TrustedIssuerAction) -> partial[EditTrustedIssuerPage]:
    return partial(EditTrustedIssuerPage, issuer=action.issuer)


def _command(action: TrustedIssuerAction, fields: TrustedIssuerFields) -> Command:
    patch = action.patch(action.issuer, fields)
    given = {**patch, "keys": fields.keys} if "keys" in patch else patch
    cli = ("update", action.key, *trusted_issuer_options(given))
    return action.command(cli, "PATCH", body=patch)
