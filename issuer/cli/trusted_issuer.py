"""`issuer trusted-issuer`."""

from typing import Annotated, Any

import typer

from issuer.cli import completion
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import new_app
from issuer.cli.input_files import content_of
from issuer.cli.options import Disabled, json_object, text_or_nothing
from issuer.errors import IssuerError
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.trusted_issuers.fields import ALGORITHM_NAMES

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


def _certificate(text: str) -> object:
    if not text.startswith("@"):
        return text_or_nothing(text)
    try:
        return content_of(text[1:]).decode("ascii", errors="replace")
    except IssuerError as error:
        raise typer.BadParameter(str(error)) from None


def _jwks(text: str) -> object:
    return json_object(text, '{"keys": [...]}')


_ID = Annotated[str, typer.Argument(metavar="TRUSTED_ISSUER", help="Its id here, such as github.")]
_ISSUER_HELP = "The iss of its tokens: an https URL, or spiffe:// and a trust domain."
_ALGORITHMS_HELP = f"An algorithm of its tokens: {', '.join(ALGORITHM_NAMES)}. Repeatable."
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
_OPTIONS = {
    **_KEYS,
    "algorithms": Annotated[
        list[str] | None,
        typer.Option(
            "--algorithm",
            metavar="ALG",
            help=_ALGORITHMS_HELP,
            autocompletion=lambda: [*ALGORITHM_NAMES],
        ),
    ],
    "ca_certificate": Annotated[
        Any,
        typer.Option(
            "--ca-certificate",
            parser=_certificate,
            metavar="@FILE",
            help="CA certificates in PEM for its server, instead of those of the system; '' for"
            " none.",
        ),
    ],
    "typ": Annotated[
        Any,
        typer.Option(
            parser=text_or_nothing,
            metavar="TYP",
            help="The typ that its tokens must have in their header, such as JWT; '' for any but"
            " at+jwt, which access tokens have.",
        ),
    ],
    "allow_private_addresses": Annotated[
        bool | None,
        typer.Option(
            "--allow-private-addresses/--public-addresses-only",
            help="Whether its server may be in a private network.",
        ),
    ],
    "disabled": Disabled,
}


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
    {
        "id": _ID,
        "issuer": Annotated[str, typer.Option(metavar="URL", help=_ISSUER_HELP)],
        **_OPTIONS,
    },
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
