"""`/console/trusted-issuers`: others whose tokens authenticate clients here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.settings import Settings
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields, TrustedIssuerResource
from issuer.values import lazy_property
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.screens.action import Deletion
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.keys_of_others import fetched_in_words, followed_keys, given_keys
from issuer.web.console.screens.operator import NeedsSignIn, is_permitted
from issuer.web.console.screens.resource import ResourceScreen, changes_of
from issuer.web.console.screens.resource_form import ResourceForm, json_text, read_json
from issuer.web.console.screens.views import Command

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet

MAX_FORM = 256 * 1024  # 20 keys and CA certificates, percent-encoded
SOURCES = ("discovery", "jwks_uri", "jwks")
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
}
_SHOWN = 50  # clients
_NAMED = 5


class TrustedIssuerForm(ResourceForm[TrustedIssuerFields, TrustedIssuerResource]):
    """Has fields of its own for each source of keys."""

    def given(
        self, form: Mapping[str, str], resource: TrustedIssuerResource | None
    ) -> dict[str, Any]:
        return {**super().given(form, resource), "keys": _typed_keys(form)}

    def typed(self, resource: TrustedIssuerResource) -> dict[str, str]:
        (source,) = resource.keys
        return super().typed(resource) | {
            "source": source,
            "jwks_uri": resource.keys.get("jwks_uri", ""),
            "jwks": json_text(resource.keys.get("jwks")),
        }

    def choices(self, settings: Settings) -> Mapping[str, Sequence[TokenAlgorithm]]:
        return {"algorithms": tuple(TokenAlgorithm)}

    def options(self, given: Mapping[str, Any]) -> list[str]:
        options = super().options(given)
        for source, value in (given.get("keys") or {}).items():
            options.append(f"--{source.replace('_', '-')}")
            if source != "discovery":
                options.append(json.dumps(value) if source == "jwks" else value)
        return options


FORM = TrustedIssuerForm(TRUSTED_ISSUER)


def _typed_keys(form: Mapping[str, str]) -> object:
    match form.get("source", SOURCES[0]):
        case "discovery":
            return {"discovery": True}
        case "jwks_uri":
            return {"jwks_uri": form.get("jwks_uri", "").strip()}
    return {"jwks": read_json("jwks", form.get("jwks", ""))}


class TrustedIssuersScreen(CollectionScreen):
    FORM = FORM
    KINDS = KINDS
    MAX_FORM = MAX_FORM
    CREATED = "The {kind} {key} is created. Clients name it in their trusts."


class OneTrustedIssuerScreen(ResourceScreen):
    FORM = FORM
    ACTIONS = {
        **changes_of(TRUSTED_ISSUER),
        "fetch-keys": lambda screen: screen.finished(fetched_in_words(screen.form, screen.key_set)),
    }
    SIGN_IN = {"fetch-keys": NeedsSignIn.NEVER}
    DISABLES = (
        "Within a second none of its tokens authenticates a client any more. Tokens that were"
        " issued before stay valid until they expire. It can be enabled again."
    )
    MAX_FORM = MAX_FORM

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
        """`clients` trust it, and there are `more`; None without the scope to read clients."""
        clients, keys = None, self.resource.keys
        if self.operator.holds(CLIENT.read):
            with self.operator.work(TRUSTED_ISSUER.read) as work:
                clients = work.trusted_issuers.clients_of(self.key, _SHOWN + 1)
        return super().page(
            keys=given_keys(keys["jwks"]) if "jwks" in keys else followed_keys(self.key_set),
            clients=None if clients is None else clients[:_SHOWN],
            more=len(clients or ()) > _SHOWN,
            **shown,
        )

    def update_command(self, fields: TrustedIssuerFields) -> Command:
        """A source of keys is replaced as a whole. No command changes the `iss`."""
        patch = self.patch(fields)
        given = {**patch, "keys": fields.keys} if "keys" in patch else patch
        cli = ("update", self.key, *self.FORM.options(given))
        command = self.command(cli, "PATCH", body=patch)
        return replace(command, cli="") if "issuer" in patch else command

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        ends = "Tokens that were issued before stay valid until they expire. This cannot be undone."
        return Deletion(f"{self._loses(work)} {ends}", cascade=True)

    def _loses(self, work: UnitOfWork) -> str:
        if not self.operator.holds(CLIENT.read):
            return "Clients that trust it can no longer authenticate by its tokens."
        clients = work.trusted_issuers.clients_of(self.key, _NAMED + 1)
        if not clients:
            return "No client trusts it."
        more = " and others" if len(clients) > _NAMED else ""
        return f"{', '.join(clients[:_NAMED])}{more} can no longer authenticate by its tokens."
