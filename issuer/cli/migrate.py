"""`issuer migrate`."""

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import read_settings
from issuer.cli.options import AsJson
from issuer.database import Database, current_revision, only_one
from issuer.database.deployment import REVISION
from issuer.database.migrations import upgrade

app = new_app()


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Upgrade the database to the newest schema, in one transaction. Servers may keep running.

    A newer schema stays as it is, if this program works with it.

    Examples:

      issuer migrate
    """
    database = Database(read_settings().effective_database_url)
    try:
        with only_one(database, "migrate"):
            before = current_revision(database)
            upgrade(database)
            after = current_revision(database)
    finally:
        database.dispose()
    if after is not None and after > REVISION:
        sentence = (
            f"The schema is {after}, newer than {REVISION} of this issuer, which works with it."
        )
    elif before == after:
        sentence = f"The schema is {after}: nothing to upgrade."
    else:
        sentence = f"Upgraded the schema from {before or 'none'} to {after}."
    output.say(sentence, {"from": before, "to": after}, as_json=as_json)
