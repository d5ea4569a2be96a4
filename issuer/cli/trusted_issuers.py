"""`issuer trusted-issuer`."""

from typing import Annotated, Any

import typer

from issuer.cli.collection import CollectionCommands, Parts
from issuer.cli.command import NOTHING, argument, flag, given, new_app, option
from issuer.cli.members import (
    JWKS_EXAMPLE,
    json_object,
    key_argument,
    options_of,
    options_within,
)
from issuer.cli.operations import OperationCommands
from issuer.cli.options import known_trusted_issuers
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.trusted_issuers.fields import PEOPLE
from issuer.trusted_issuers.operations import GROUP_ROLES, OPERATIONS, REGISTRATION
from issuer.trusted_issuers.people_presets import PROVIDERS, preset
from issuer.trusted_issuers.sign_in import SignInFields

TrustedIssuerId = Annotated[
    str, argument("TRUSTED_ISSUER", "The id of the trusted issuer.", known_trusted_issuers)
]

app = new_app()
trusted_issuer_app = new_app(
    "Other issuers: their tokens authenticate clients, or people sign in there."
)
app.add_typer(trusted_issuer_app, name="trusted-issuer")
trusted_issuers = CollectionCommands(trusted_issuer_app, TRUSTED_ISSUER, TrustedIssuerId)
operations = OperationCommands(
    trusted_issuer_app, TrustedIssuerId, lambda work, id_: work.trusted_issuers.get(id_), "entra"
)
operations.part(GROUP_ROLES, OPERATIONS)

_KEYS = {
    "discovery": Annotated[
        bool | None, flag("--discovery", "Find its keys by OpenID Connect Discovery.")
    ],
    "jwks_uri": Annotated[str | None, option("URL", "Fetch its keys from this URL.")],
    "jwks": Annotated[
        Any,
        option(
            "JSON",
            "Its keys: a JWK Set, or @FILE; for networks without access to the issuer.",
            parser=lambda text: json_object(text, JWKS_EXAMPLE),
        ),
    ],
}
_SIGN_IN = options_within(SignInFields)
_PROVIDERS = {
    name: Annotated[str | None, option(each.metavar, each.help)] for name, each in PROVIDERS.items()
}
_ISSUER = {
    "issuer": Annotated[
        str | None,
        option(
            "URL",
            f"{TRUSTED_ISSUER.members['issuer'].help} The options from --entra to --agentos-issuer"
            " imply it.",
        ),
    ]
}
_OPTIONS = {
    **_KEYS,
    **options_of(
        TRUSTED_ISSUER,
        ["algorithms", "ca_certificate", "typ", "kinds", "allow_private_addresses", "disabled"],
    ),
    **_SIGN_IN,
}


def _keys_of(values: dict[str, Any]) -> dict[str, Any]:
    """The three options for keys are one member."""
    named = {name: values.pop(name) for name in _KEYS}
    keys = {name: value for name, value in named.items() if value}
    if len(keys) > 1:
        raise typer.BadParameter("--discovery, --jwks-uri and --jwks contradict each other")
    return keys


def _sign_in_of(values: dict[str, Any]) -> dict[str, Any]:
    """Many options are one member."""
    return given(**{name: values.pop(name) for name in _SIGN_IN})


def _added(usual: dict[str, Any], sign_in: dict[str, Any]) -> dict[str, Any]:
    """The `usual` members of a provider with those of options: scopes are asked for as well."""
    if "scopes" in sign_in:
        scopes = usual.get("scopes", SignInFields.model_fields["scopes"].default)
        sign_in = {**sign_in, "scopes": [*scopes, *sign_in["scopes"]]}
    return {**usual, **sign_in}


def _completed(values: dict[str, Any]) -> None:
    """Where people sign in, that is all that it is for, unless options say otherwise."""
    values["keys"] = _keys_of(values) or {"discovery": True}
    sign_in = _sign_in_of(values)
    try:
        found = preset({name: values.pop(name) for name in _PROVIDERS})
    except InvalidField as error:
        raise typer.BadParameter(f"--{error.field.replace('_', '-')} {error.message}") from None
    if found is not None:
        if values["issuer"] is not None:
            raise typer.BadParameter("--issuer cannot be combined with an option that implies it")
        values["issuer"] = found.issuer
    sign_in = _added(found.sign_in if found else {}, sign_in)
    if values["issuer"] is None:
        raise typer.BadParameter("--issuer is required: the iss of its tokens")
    if sign_in or found is not None:
        values["sign_in"] = sign_in
        values["kinds"] = values["kinds"] or [PEOPLE]


def _replacing(values: dict[str, Any]) -> None:
    """A merge patch would keep where the keys were found before."""
    keys = _keys_of(values)
    values["keys"] = {**dict.fromkeys(_KEYS), **keys} if keys else None
    values["sign_in"] = _sign_in_of(values) or None
    if values["kinds"] and PEOPLE not in values["kinds"]:
        values["sign_in"] = NOTHING


def _parts(work: UnitOfWork, issuer_id: str) -> Parts:
    """The URLs that a provider of people must know."""
    if work.trusted_issuers.get(issuer_id).sign_in is None:
        return {}, {}
    registration = work.item(REGISTRATION, issuer_id).model_dump(mode="json")
    last = registration["last_signals"]
    shown = {"last_signals": ", ".join(f"{way} on {last[way]}" for way in sorted(last))}
    return {"registration": registration}, {"registration": "", **registration, **shown}


trusted_issuers.list(
    ["id", "issuer", "kinds", "algorithms", "disabled"], "List the trusted issuers in order of id."
)
trusted_issuers.show(
    "github", ", with what to enter there, and what it last sent about people.", _parts
)
trusted_issuers.create(
    {"id": key_argument(TRUSTED_ISSUER), **_ISSUER, **_PROVIDERS, **_OPTIONS},
    """Trust another issuer. Its keys are found by discovery, unless options say where.

    By itself it gives nobody anything: clients name it in their trusts (client trust add), users
    are linked to accounts there (user identity add), or provisioned.""",
    "cluster --issuer https://k8s --jwks @jwks.json",
    "mesh --issuer spiffe://prod --jwks @mesh.json",
    "google --google acme.com --sign-in-client-id ID",
    complete=_completed,
)
trusted_issuers.update(
    _OPTIONS,
    "Change the named members only. A disabled issuer is refused within a second.",
    "cluster --jwks @jwks.json",
    "github --disabled",
    "entra --map-group engineers=runner@my-os",
    complete=_replacing,
)
trusted_issuers.delete(
    """Delete a trusted issuer.

    Refused while a client relies on it or people sign in there, unless --cascade removes those
    trusts and unlinks these people.""",
    "cluster",
    cascade=True,
)
