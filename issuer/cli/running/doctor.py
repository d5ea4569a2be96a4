"""`issuer doctor`."""

from collections.abc import Iterator

from issuer.audit.writer import require_space
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import read_settings
from issuer.cli.remote.target import require_host
from issuer.composition import composed
from issuer.composition.composition import read_logo
from issuer.database.deployment import require_writable
from issuer.errors import IssuerError
from issuer.status import checks
from issuer.status.agent_os import agent_os_states, of_agent_os
from issuer.status.report import OK, PROBLEM, Finding

app = new_app()
_ROLES = 1_000
_RECIPIENTS = 20


@app.command()
def doctor() -> None:
    """Check the settings, the data directory, the database and the keys.

    To see whether the database accepts writes, it writes the time of the check and a test row that
    it rolls back. It also connects to the destination of audit events and to the mail server, if
    there are any, and sends nothing, and fetches the keys of the trusted issuers where people sign
    in. It changes nothing else. Of each AgentOS it says what the last inspection found, and asks
    nothing. The exit status is 1 if there is a problem, such as an AgentOS that answers everybody,
    and 0 if there are only warnings.

    Examples:

      issuer doctor
      issuer doctor --json
    """
    findings = list(_findings())
    rows = [
        {"check": each.subject, "verdict": each.verdict, "message": each.message}
        for each in findings
    ]
    output.show_all(rows, ["check", "verdict", "message"])
    if problems := sum(each.verdict == PROBLEM for each in findings):
        raise IssuerError(f"Found {problems} problem{'s' if problems > 1 else ''}.")


def _findings() -> Iterator[Finding]:
    """In the order of the checks. An error that prevents later checks comes last."""
    require_host()
    try:
        settings = read_settings()
        yield Finding("settings", OK, "Settings are valid.")
        yield from checks.of_settings(settings)
        yield from checks.of_files(settings)
        read_logo(settings)
        if settings.key_folder is not None:
            yield from checks.of_key_folder(settings.key_folder.absolute())
        with composed(settings) as parts:
            database, clock, keys = parts.database, parts.clock, parts.keys
            require_writable(database, clock())
            require_space(database, clock, parts.foundation.chain_key)
            yield checks.of_database(database)
            yield Finding("master key", OK, "Decrypts the stored keys.")
            yield checks.of_clocks(database, clock)
            yield from checks.of_keys(keys.keyring, keys.policy, settings, clock())
            yield checks.of_key_policy(keys.policy)
            if parts.mail.server is not None:
                yield from checks.of_mail(parts.mail.server)
            if parts.audit.pusher is not None:
                yield from checks.of_audit_push(parts.audit.pusher)
            issuers = parts.tokens.directory.issuers_of_people()
            with parts.administration.reading() as work:
                yield checks.of_administrator(work.clients, work.authority, settings)
                roles = work.roles.page(None, _ROLES)
                yield from checks.of_roles(work.inspections.scopes_not_found(roles))
                yield from checks.of_second_factors(work.authority, settings)
                yield from checks.of_client_registration(work.registrations, settings)
                yield from checks.of_ending_rights(work.assignments, work.clients, clock())
                yield from checks.of_deliveries(work.deliveries.failing(_RECIPIENTS))
                for state in agent_os_states(work):
                    yield from of_agent_os(state, settings, clock())
                if finding := checks.of_only_way_in(issuers, work.authority):
                    yield finding
            if issuers:
                key_set_of = parts.tokens.client_assertions.key_set_of_issuer
                secrets = parts.factors.provider_secrets
                yield from checks.of_issuers_of_people(issuers, secrets, key_set_of)
    except IssuerError as error:
        yield Finding("start", PROBLEM, str(error))
