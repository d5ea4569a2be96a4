"""`issuer export`."""

from typing import Annotated

import typer

from issuer import manifest
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import reading
from issuer.cli.options import AsJson

app = new_app(no_args_is_help=False)


@app.command()
def export(
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a manifest instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the configuration as a manifest for plan and apply, without secrets and passwords.

    The same configuration gives the same text, so that it can be kept in git.

    Examples:

      issuer export > issuer.yaml
      issuer export --json
      issuer export --schema > issuer.schema.json
    """
    if schema:
        output.print_json(manifest.schema())
        return
    with reading() as work:
        text = manifest.export(work)
    if as_json:
        output.print_json(manifest.data_of(text))
    else:
        print(text, end="")
