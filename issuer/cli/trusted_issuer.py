"""`issuer trusted-issuer`."""

from typing import Annotated, Any

import typer

from issuer.cli import completion
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import new_app
from issuer.cli.members import json_object, key_argument, options_of
from issuer.trusted_issuers import TRUSTED_ISSUER

TrustedIssuerId = Annotated[
    str,
    typer.Argument(
        metavar="TRUSTED_ISSUER",
        help="The id of the trusted issuer.",
        autocompletion=completion.trusted_issuers,
    ),
]

app = new_app("Other issuers whose tokens authenticate clients here: workloads (RFC 7523).")
commands = CollectionCommands(app, TRUSTED_ISSUER, TrustedIssuerId)


def _jwks(text: str) -> object:
    return json_object(text, '{"keys": [...]}')


_KEYS = {
    "discovery": Annotated[
        bool | None,
        typer.Option("--discovery", help="Find its keys by OpenID Connect Discovery."),
    ],
    "jwks_uri": Annotated[
        str | None, typer.Option("--jwks-uri", metavar="URL", help="Fetch its keys there.")
    ],
    "jwks": Annotated[
        Any,
        typer.Option(
            "--jwks",
            parser=_jwks,
            metavar="JSON",
            help="Its keys: a JWK Set, or @FILE; for networks without access to the issuer.",
        ),
    ],
}
_OPTIONS = _KEYS | options_of(
    TRUSTED_ISSUER,
    ["algorithms", "ca_certificate", "typ", "allow_private_addresses", "disabled"],
)


def _keys_of(values: dict[str, Any]) -> dict[str, Any]:
    """The three options for keys are one member."""
    given = {name: values.pop(name) for name in _KEYS}
    keys = {name: value for name, value in given.items() if value}
    if len(keys) > 1:
        raise typer.BadParameter("--discovery, --jwks-uri and --jwks contradict each other")
    return keys


def _by_discovery(values: dict[str, Any]) -> None:
    values["keys"] = _keys_of(values) or {"discovery": True}


def _replacing(values: dict[str, Any]) -> None:
    """A merge patch would keep where the keys were found before."""
    keys = _keys_of(values)
    values["keys"] = {**dict.fromkeys(_KEYS), **keys} if keys else None


commands.list(
    ["id", "issuer", "algorithms", "disabled"],
    """List the trusted issuers in order of id.

    Examples:

      issuer trusted-issuer list
    """,
)
commands.show(
    """Show one trusted issuer.

    Examples:

      issuer trusted-issuer show github
    """
)
commands.create(
    {"id": key_argument(TRUSTED_ISSUER), **options_of(TRUSTED_ISSUER, ["issuer"]), **_OPTIONS},
    """Trust another issuer. Its keys are found by discovery, unless options say where.

    By itself this gives nobody anything: see client trust add.

    Examples:

      issuer trusted-issuer create cluster --issuer https://k8s --jwks @jwks.json
      issuer trusted-issuer create mesh --issuer spiffe://prod --jwks @mesh.json
    """,
    complete=_by_discovery,
)
commands.update(
    _OPTIONS,
    """Change the named members only. A disabled issuer is refused within a second.

    Examples:

      issuer trusted-issuer update cluster --jwks @jwks.json
      issuer trusted-issuer update github --disabled
    """,
    complete=_replacing,
)
commands.delete(
    """Delete a trusted issuer.

    Refused while a client relies on it, unless --cascade removes those trusts.

    Examples:

      issuer trusted-issuer delete cluster
    """,
    cascade=True,
)
