"""`issuer client secret` and `issuer client rotate`: what they have beside the operations."""

import re
from enum import StrEnum
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import option, wants_json
from issuer.cli.opening import reading
from issuer.cli.options import ClientId
from issuer.cli.remote.target import issuer_url
from issuer.clients.client import NewSecret
from issuer.clients.operations import SECRETS
from issuer.clients.rotation import parts_of

# A DNS label of Kubernetes has 63 characters.
_LABEL = 63
_NOT_IN_LABELS = re.compile(r"[^a-z0-9]+")


class _Output(StrEnum):
    KUBERNETES = "kubernetes"


def _not_as_json(printed_as: _Output | None) -> _Output | None:
    if printed_as and wants_json.get():
        raise typer.BadParameter("--output or --json, not both")
    return printed_as


def _print(client_id: str, created: NewSecret, printed_as: _Output | None) -> bool:
    """Print a Secret named like the client. kubectl reads JSON as well as YAML."""
    if printed_as is None:
        return False
    name = _NOT_IN_LABELS.sub("-", client_id.lower()).strip("-")[:_LABEL].rstrip("-")
    members = {"client_id": client_id, "client_secret": created.client_secret}
    output.print_json(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name or "client"},
            "type": "Opaque",
            "stringData": {"issuer": issuer_url(None), **members},
        }
    )
    return True


FOR_KUBERNETES = output.NewOutput(
    {
        "printed_as": Annotated[
            _Output | None,
            option(
                "TEXT",
                "Print it as a Secret of Kubernetes, for kubectl apply.",
                "--output",
                callback=_not_as_json,
            ),
        ]
    },
    ("--output kubernetes | kubectl apply -f -",),
    _print,
)


def show_rotation(client: ClientId) -> None:
    """Show when and from where each secret was last used, with a delay of some seconds.

    Examples:

      issuer client rotate status ci-bot
    """
    with reading() as work:
        secrets = work.items(SECRETS, client, None)
    parts = parts_of(secrets)
    items = [{**each.model_dump(mode="json"), "part": parts.get(each.id)} for each in secrets]
    if wants_json.get():
        output.print_json({"under_way": bool(parts), "items": items})
        return
    columns = ["id", "label", "part", "created_at", "last_used_at", "last_used_address"]
    output.show_all(items, columns)
    print("A rotation is under way." if parts else "No rotation is under way.")
