"""The members of a trusted issuer, as forms have them, and what is usual at each platform."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.errors import InUse, InvalidField
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields, TrustedIssuerResource
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.screens.collection import ResourceAction, differing
from issuer.web.console.screens.commands import as_options
from issuer.web.console.screens.form_fields import field_errors, json_text, read_json
from issuer.web.console.screens.keys_of_others import fetched_in_words
from issuer.web.console.screens.views import Command, ConsolePage

MAX_FORM = 256 * 1024  # 20 keys and CA certificates, percent-encoded
SOURCES = ("discovery", "jwks_uri", "jwks")
# Of each kind of new trusted issuer, what its form has at first.
_KINDS: dict[str, dict[str, str]] = {
    "kubernetes": {"id": "cluster", "source": "jwks", "RS256": "yes"},
    "github": {
        "id": "github",
        "issuer": "https://token.actions.githubusercontent.com",
        "RS256": "yes",
    },
    "gitlab": {"id": "gitlab", "issuer": "https://gitlab.com", "RS256": "yes"},
    "spiffe": {"source": "jwks_uri", "RS256": "yes", "ES256": "yes"},
    "entra": {"id": "entra", "RS256": "yes"},
    "oidc": {"RS256": "yes"},
}
KINDS = tuple(_KINDS)
_OPTIONS = {
    "issuer": "--issuer",
    "algorithms": "--algorithm",
    "jwks_uri": "--jwks-uri",
    "jwks": "--jwks",
    "ca_certificate": "--ca-certificate",
    "typ": "--typ",
}
_SWITCHES = {
    "discovery": ("--discovery", ""),
    "allow_private_addresses": ("--allow-private-addresses", "--public-addresses-only"),
    "disabled": ("--disabled", "--enabled"),
}


def usual(kind: str) -> dict[str, str]:
    """What is usual for that kind of issuer, as in its form."""
    return {"kind": kind, **_KINDS[kind]}


def typed_trusted_issuer(
    form: Mapping[str, str], now: TrustedIssuerResource | None = None
) -> TrustedIssuerFields:
    """The trusted issuer of a form, or `now` changed by it; `InvalidField`."""
    return TrustedIssuerFields.read(
        {
            "id": now.id if now else form.get("id", "").strip(),
            "issuer": form.get("issuer", "").strip(),
            "algorithms": [alg.value for alg in TokenAlgorithm if alg in form],
            "keys": _typed_keys(form),
            "ca_certificate": form.get("ca_certificate", "").strip() or None,
            "typ": form.get("typ", "").strip() or None,
            "allow_private_addresses": "allow_private_addresses" in form,
            "kinds": list(now.kinds) if now else ["workload"],
            "disabled": now.disabled if now else False,
        }
    )


def trusted_issuer_as_typed(issuer: TrustedIssuerResource) -> dict[str, str]:
    """The fields of the form for a change, for the trusted issuer as it is."""
    (source,) = issuer.keys
    typed = {alg.value: "yes" for alg in issuer.algorithms}
    typed |= {"allow_private_addresses": "yes"} if issuer.allow_private_addresses else {}
    return typed | {
        "issuer": issuer.issuer,
        "source": source,
        "jwks_uri": issuer.keys.get("jwks_uri", ""),
        "jwks": json_text(issuer.keys.get("jwks")),
        "ca_certificate": (issuer.ca_certificate or "").strip(),
        "typ": issuer.typ or "",
    }


def trusted_issuer_options(members: Mapping[str, Any]) -> list[str]:
    """The options of `issuer trusted-issuer create` and `update` that give these members."""
    kept = {name: value for name, value in members.items() if name != "keys"}
    return as_options({**kept, **(members.get("keys") or {})}, _OPTIONS, _SWITCHES)


def _typed_keys(form: Mapping[str, str]) -> object:
    match form.get("source", SOURCES[0]):
        case "discovery":
            return {"discovery": True}
        case "jwks_uri":
            return {"jwks_uri": form.get("jwks_uri", "").strip()}
    return {"jwks": read_json("jwks", form.get("jwks", ""))}


_BAD_REQUEST, _CONFLICT = 400, 409
_NAMED = 5
LIST = "/console/trusted-issuers"


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
