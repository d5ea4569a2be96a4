"""`/console/trusted-issuers`: others whose tokens authenticate clients, or where people sign in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.audit import AuditEvent
from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.resources import Command
from issuer.resources.resource_type import members_of, options_of
from issuer.roles import ROLE
from issuer.settings import Settings
from issuer.sign_in.identities import Refused
from issuer.sign_in.provider_request import CALLBACK_PATH
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields, TrustedIssuerResource
from issuer.trusted_issuers.fields import PEOPLE, WORKLOAD
from issuer.trusted_issuers.operations import OPERATIONS, GroupRoleName
from issuer.trusted_issuers.people_presets import PROVIDERS, preset, require_no_placeholder
from issuer.trusted_issuers.sign_in import SignInFields
from issuer.users import USER
from issuer.values import lazy_property
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.screens import resource_form as forms
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.events import READ
from issuer.web.console.screens.keys_of_others import fetched_in_words, followed_keys, given_keys
from issuer.web.console.screens.operations import actions_of
from issuer.web.console.screens.operator import NeedsSignIn, is_permitted
from issuer.web.console.screens.resource import Deletion, ResourceScreen, changes_of

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet

MAX_FORM = 256 * 1024  # 20 keys and CA certificates, percent-encoded
SOURCES = ("discovery", "jwks_uri", "jwks")
PURPOSES = {"workload": [WORKLOAD], "people": [PEOPLE], "both": [WORKLOAD, PEOPLE]}
_WELL_KNOWN = "people-"
_SIGN_IN = members_of(SignInFields)
_USUAL = {"scopes": "openid\nprofile\nemail", "username_claim": "preferred_username"}
_OF_PEOPLE = {"purpose": "people", "RS256": "yes", **_USUAL}


def _first(name: str) -> dict[str, str]:
    """What the form for a well-known provider has at first, for a person to complete."""
    usual = PROVIDERS[name].sign_in
    sign_in = SignInFields.model_construct(client_id="", **usual)
    return {**_OF_PEOPLE, "id": name, **forms.as_typed({n: _SIGN_IN[n] for n in usual}, sign_in)}


# Of each kind of new trusted issuer, what its form has at first.
KINDS: dict[str, dict[str, str]] = {
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
    **{f"{_WELL_KNOWN}{name}": _first(name) for name in PROVIDERS if name != "agentos_issuer"},
    # `github` is the trusted issuer of workflows.
    "people-github": {**_first("github"), "id": "github-people", "name": "GitHub"},
    "people": {**_OF_PEOPLE, "id": "company"},
}
# What is in the reason for which a sign-in failed.
_WHAT_TO_DO = {
    Refused.NOT_LINKED.value: "Link the account to a user, or let people without a user get one.",
    Refused.CLAIM.value: "Only people with the required claims may sign in.",
    "invalid_client": "The client id or the client secret is wrong, or has expired: edit them.",
    "redirect_uri": "Register the redirect URI there, exactly as it is below.",
    "auth_time": "Let the provider send auth_time. Google and GitHub do not.",
    "no key of this kid": "Select the algorithm with which the provider signs: edit it.",
    "state is of no sign-in": "The person went back, or opened another browser. Sign in again.",
}
_SHOWN = 50  # clients
_NAMED = 5
_COUNTED = 1_000


class TrustedIssuerForm(forms.ResourceForm[TrustedIssuerFields, TrustedIssuerResource]):
    """Has fields of its own for each source of keys, and for how people sign in.

    For a new well-known provider, the `customer` says the issuer and a required claim.
    """

    LEFT_OUT, WITHIN, MEMBERS_WITHIN = {"kinds"}, "sign_in", _SIGN_IN

    def given(
        self, form: Mapping[str, str], resource: TrustedIssuerResource | None
    ) -> dict[str, Any]:
        was_for = resource.kinds if resource else PURPOSES[WORKLOAD]
        kinds = PURPOSES.get(form.get("purpose", ""), was_for)
        keys = resource.keys if resource and "source" not in form else _typed_keys(form)
        members = {**super().given(form, resource), "keys": keys, "kinds": kinds, "sign_in": None}
        if PEOPLE in kinds:
            names = ("client_id", "client_secret", *(() if resource else ("customer", "issuer")))
            require_no_placeholder(**{name: form[name] for name in names if name in form})
            now = resource.sign_in if resource else None
            members["sign_in"] = forms.given_members(SignInFields, _SIGN_IN, form, now)
            if resource is None and form.get("kind", "").startswith(_WELL_KNOWN):
                _add_preset(members, form)
        return members

    def typed(self, resource: TrustedIssuerResource) -> dict[str, str]:
        (source,) = resource.keys
        sign_in = resource.sign_in
        return {
            **super().typed(resource),
            "source": source,
            "jwks_uri": resource.keys.get("jwks_uri", ""),
            "jwks": forms.json_text(resource.keys.get("jwks")),
            "purpose": next(n for n, each in PURPOSES.items() if {*each} == {*resource.kinds}),
            **(forms.as_typed(_SIGN_IN, sign_in) if sign_in else _USUAL),
        }

    def choices(self, settings: Settings) -> Mapping[str, Sequence[Any]]:
        fields = SignInFields.model_fields
        sign_in = [(name, each, fields[name].is_required()) for name, each in _SIGN_IN.items()]
        return {"algorithms": tuple(TokenAlgorithm), "sign_in": sign_in}

    def options(self, given: Mapping[str, Any]) -> list[str]:
        options = super().options(given) + options_of(_SIGN_IN, given.get("sign_in") or {})
        for source, value in (given.get("keys") or {}).items():
            options.append(f"--{source.replace('_', '-')}")
            if source != "discovery":
                options.append(json.dumps(value) if source == "jwks" else value)
        return options


FORM = TrustedIssuerForm(TRUSTED_ISSUER)


def _add_preset(members: dict[str, Any], form: Mapping[str, str]) -> None:
    """What follows from the customer of a well-known provider; `InvalidField` for `customer`."""
    name = form["kind"].removeprefix(_WELL_KNOWN)
    try:
        found = preset({name: form.get("customer", "").strip()})
    except InvalidField as error:
        raise error.renamed({name: "customer"}) from None
    if found is not None:
        sign_in = members["sign_in"]
        required, typed = found.sign_in.get("required_claims", {}), sign_in["required_claims"]
        members["issuer"] = found.issuer
        if isinstance(typed, dict):
            sign_in["required_claims"] = {**typed, **required}


def _typed_keys(form: Mapping[str, str]) -> object:
    match form.get("source", SOURCES[0]):
        case "discovery":
            return {"discovery": True}
        case "jwks_uri":
            return {"jwks_uri": form.get("jwks_uri", "").strip()}
    return {"jwks": forms.read_json("jwks", form.get("jwks", ""))}


class TrustedIssuersScreen(CollectionScreen):
    FORM = FORM
    KINDS = KINDS
    MAX_FORM = MAX_FORM

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        """What the form for a provider shows: what to register there, and what it asks for."""
        return {
            "redirect_uri": _redirect_uri(self.parts.settings, values.get("id", "")),
            "provider": PROVIDERS.get(values.get("kind", "").removeprefix(_WELL_KNOWN)),
            "is_scripted": values.get("purpose") == "people",
        }


def _redirect_uri(settings: Settings, issuer_id: str) -> str:
    return f"{settings.url}{CALLBACK_PATH}{issuer_id}"


class OneTrustedIssuerScreen(ResourceScreen):
    FORM = FORM
    ACTIONS = {
        **changes_of(TRUSTED_ISSUER),
        **actions_of(OPERATIONS),
        "fetch-keys": lambda screen: screen.finished(fetched_in_words(screen.form, screen.key_set)),
    }
    SIGN_IN = {"fetch-keys": NeedsSignIn.NEVER}
    MAX_FORM = MAX_FORM

    def what_disabling_ends(self) -> str:
        if self.resource.sign_in is not None:
            return (
                "People cannot sign in there any more. Sessions that began there end, and access"
                " tokens of these people are refused within seconds. It can be enabled again."
            )
        return (
            "Within a second none of its tokens authenticates a client any more. Tokens that were"
            " issued before stay valid until they expire. It can be enabled again."
        )

    @lazy_property
    def is_protected(self) -> bool:
        """Whether a client with rights at the issuer itself relies on it."""
        key = self.key  # read before: one connection at a time
        with self.operator.work(TRUSTED_ISSUER.read) as work:
            return not is_permitted(work.trusted_issuers.authorize_change, key)

    @property
    def key_set(self) -> "FollowedKeySet | None":
        return self.parts.administration.client_assertions.key_set_of_issuer(self.key)

    def page(self, **shown: Any) -> Response:
        """`clients` trust it, of which `most` are shown; None without the scope to read clients.

        `people` have an account there: id, name, `sub` and last sign-in; None without the scope to
        read users. `registration` is what to enter there. `failed` is the newest sign-in that
        failed there, and what to do; None if there is none, or without the scope to read the audit
        log. Roles and audiences are offered for one more group.
        """
        clients, people, known, registration = None, None, {}, None
        if self.operator.holds(CLIENT.read):
            with self.operator.work(TRUSTED_ISSUER.read) as work:
                clients = work.trusted_issuers.clients_of(self.key, _SHOWN + 1)
        if self.resource.sign_in is not None and self.operator.holds(USER.read):
            with self.operator.work(USER.read) as work:
                people = work.trusted_issuers.people_of(self.key, _SHOWN + 1)
        if self.resource.sign_in is not None:
            with self.operator.work(TRUSTED_ISSUER.read) as work:
                registration = work.trusted_issuers.registration(self.key)
                for kind in (ROLE, AUDIENCE):
                    like = self.form.get(kind.name, "")
                    known[kind.plural] = forms.choices_of(self.operator, work, kind, like)
        record, keys = self.parts.directory.trusted_issuer(self.key), self.resource.keys
        secret = record.sign_in.sealed_secret if record and record.sign_in else None
        return super().page(
            has_secret=secret is not None,
            redirect_uri=_redirect_uri(self.parts.settings, self.key),
            registration=registration,
            is_scripted=self.resource.sign_in is not None,
            people=people,
            failed=self._failed(),
            known=known,
            members=members_of(GroupRoleName),
            keys=given_keys(keys["jwks"]) if "jwks" in keys else followed_keys(self.key_set),
            clients=clients,
            most=_SHOWN,
            **shown,
        )

    def _failed(self) -> tuple[AuditEvent, str] | None:
        if self.resource.sign_in is None or not self.operator.holds(READ):
            return None
        with self.operator.work(READ) as work:
            event = work.audit_log.failed_sign_in_at(self.key)
        if event is None:
            return None
        reason = event.reason or ""
        return event, next((what for text, what in _WHAT_TO_DO.items() if text in reason), "")

    def update_command(self, fields: TrustedIssuerFields) -> Command:
        """A source of keys is replaced as a whole. No command changes the `iss`."""
        patch = self.patch(fields)
        given = {**patch, "keys": fields.keys} if "keys" in patch else patch
        command = self.TYPE.update_command(self.key, patch, self.FORM.options(given))
        return replace(command, words=()) if "issuer" in patch else command

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        ends = "Tokens that were issued before stay valid until they expire. This cannot be undone."
        return Deletion(f"{self._loses(work)} {ends}", cascade=True)

    def _loses(self, work: UnitOfWork) -> str:
        clients = self._clients_lose(work)
        if self.resource.sign_in is None:
            return clients
        number = len(work.trusted_issuers.people_of(self.key, _COUNTED))
        if not number:
            return f"{clients} Nobody signs in there yet."
        some = f"at least {number:,}" if number == _COUNTED else f"{number:,}"
        return f"{clients} Accounts of {some} users there are unlinked, and their sessions end."

    def _clients_lose(self, work: UnitOfWork) -> str:
        if not self.operator.holds(CLIENT.read):
            return "Clients that trust it can no longer authenticate by its tokens."
        clients = work.trusted_issuers.clients_of(self.key, _NAMED + 1)
        if not clients:
            return "No client trusts it."
        more = " and others" if len(clients) > _NAMED else ""
        return f"{', '.join(clients[:_NAMED])}{more} can no longer authenticate by its tokens."
