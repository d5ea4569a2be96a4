"""`issuer doctor`."""

from collections.abc import Iterator

from issuer.audit.space import require_space
from issuer.cli import checks, output
from issuer.cli.checks import Finding
from issuer.cli.command import new_app
from issuer.cli.opening import opened, read_settings
from issuer.cli.options import AsJson
from issuer.database.deployment import require_writable
from issuer.errors import IssuerError

app = new_app()


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at the settings, the data directory, the database and the keys for what is wrong.

    Changes nothing, and writes to the database only the time of this look and what it rolls
    back, to see whether it accepts writes. Exit status 1 if there is a problem; a warning is none.

    Examples:

      issuer doctor
      issuer doctor --json
    """
    findings = list(_findings())
    output.show_all([each._asdict() for each in findings], Finding._fields, as_json=as_json)
    if problems := sum(each.verdict == "problem" for each in findings):
        raise IssuerError(f"Found {problems} problem{'s' if problems > 1 else ''}.")


def _findings() -> Iterator[Finding]:
    """Check after check. What makes the later ones impossible is the last."""
    try:
        settings = read_settings()
        yield Finding("settings", "ok", "All of them are known and fit together.")
        yield from checks.of_settings(settings)
        yield from checks.of_files(settings)
        if settings.key_folder is not None:
            yield from checks.of_key_folder(settings.key_folder.absolute())
        with opened(settings) as parts:
            require_writable(parts.database, parts.clock())
            require_space(parts.database, parts.clock)
            yield checks.of_database(parts.database)
            yield Finding("master key", "ok", "It opens what was sealed.")
            yield checks.of_clocks(parts)
            yield from checks.of_keys(parts)
            yield checks.of_key_policy(parts.keys.policy)
            with parts.administration.reading() as work:
                yield checks.of_administrator(work, settings)
    except IssuerError as error:
        yield Finding("start", "problem", str(error))
