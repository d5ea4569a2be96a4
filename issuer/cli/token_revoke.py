"""`issuer token revoke`."""

from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.asking import ask
from issuer.cli.opening import administering_with_keys, operator
from issuer.cli.options import AsJson


def revoke_token(
    jti: Annotated[
        str | None,
        typer.Option(
            metavar="JTI",
            help="The id of the token, as in audit list, if the token is lost.",
        ),
    ] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from a line of standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke one token; it is refused everywhere within seconds.

    Examples:

      issuer token revoke
      issuer token revoke --token-stdin < token.txt
      issuer token revoke --jti 5f0c8a1f6d3b4e27a90b1c2d3e4f5a6b
    """
    if jti is not None and token_stdin:
        raise typer.BadParameter("--jti or --token-stdin, not both")
    token = ask("token", from_stdin=token_stdin, otherwise="--token-stdin") if jti is None else ""
    with (
        administering_with_keys() as administration,
        administration.changing(operator()) as work,
    ):
        if jti is None:
            jti = work.token_revocations.revoke(token).jti
        else:
            work.token_revocations.revoke_unverified(jti)
    output.say(f"Revoked the token {jti}.", {"revoked": jti}, as_json=as_json)
