"""`issuer status` and `issuer health`."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import typer

from issuer.cli import output
from issuer.cli.api_client import (
    client_secret_of_caller,
    metadata_at,
    not_answering,
    reached,
    requested_token,
    sent,
    token_endpoint,
)
from issuer.cli.command import flag, new_app, option, wants_json
from issuer.cli.options import ClientSecretStdin, Url, known_clients
from issuer.cli.remote.target import issuer_url
from issuer.cli.running.stored_login import token_of_login
from issuer.cli.running.token_cache import token_from_cache
from issuer.errors import IssuerError, Unavailable
from issuer.fields.text import counts_in_words
from issuer.scopes import ISSUER_STATUS
from issuer.settings import Settings
from issuer.vocabulary import ADMIN_API, ADMIN_CLIENT

app = new_app()

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SECONDS = 2  # for each of two requests; the image waits 5 s for both


@app.command()
def status(
    client_id: str | None = option(
        "TEXT",
        "A client with issuer:status:read. Default: what `issuer login` stored, else"
        f" {ADMIN_CLIENT}.",
        complete=known_clients,
    ),
    url: Url = None,
    at: str | None = option(
        "URL", "Where this machine reaches the server, such as http://127.0.0.1:9000."
    ),
    client_secret_stdin: ClientSecretStdin = False,
    cache: bool = flag("--cache", "Keep the token on disk: it also works while none is issued."),
) -> None:
    """Ask a running server how it is: tokens, database, keys, verifiers, audit log, queues, jobs.

    It warns of rights and secrets that end within a week. Of several processes behind one URL, one
    answers. The exit status is 1 if something needs attention, and 0 if there are only warnings.

    Without --client-id and without a secret, the token is that of `issuer login`. The secret comes
    from CLIENT_SECRET in the environment, from standard input, or is asked for.

    Examples:

      issuer status
      issuer status --client-id monitoring --cache
      issuer status --url https://id.example --json
      issuer status --at http://127.0.0.1:9000
    """
    issuer = issuer_url(url)

    secret = partial(client_secret_of_caller, from_stdin=client_secret_stdin)
    is_client = client_id or cache or client_secret_stdin or os.environ.get("CLIENT_SECRET")
    token = None if is_client else token_of_login(issuer, issuer, at=at)
    client_id = client_id or ADMIN_CLIENT
    if token is None and cache:
        token = token_from_cache(issuer, client_id, issuer, [ISSUER_STATUS], secret)
    elif token is None:
        form = {"grant_type": "client_credentials", "audience": issuer, "scope": ISSUER_STATUS}
        answer = requested_token(token_endpoint(issuer, at), client_id, secret(), form)
        token = answer["access_token"]
    endpoint = reached(f"{issuer.rstrip('/')}{ADMIN_API}/status", issuer, at)
    found = sent("GET", endpoint, headers={"Authorization": f"Bearer {token}"})
    _show(found)
    if problems := len(found["attention"]):
        raise IssuerError(f"Found {problems} problem{'s' if problems > 1 else ''}.")


def _show(found: dict[str, Any]) -> None:
    if wants_json.get():
        output.print_json(found)
        return
    output.print_text(
        f"{found['issuer']}  version {found['version']}, up {in_words(found['uptime'])}"
    )
    wrong = {each["subject"] for each in found["attention"]}
    if found["database"]["error"]:
        wrong.add("database")
    verdicts = dict.fromkeys(wrong, "problem")
    if found["verifiers"]["lacking_next_key"]:  # they get it within minutes, or it is a problem
        verdicts.setdefault("verifiers", "waiting")
    if (found.get("ending") or {}).get("first_at"):
        verdicts["rights"] = "warning"
    if (found.get("agent_os") or {}).get("silent"):
        verdicts.setdefault("agentos", "warning")
    rows = [
        {"part": part, "verdict": verdicts.get(part, "ok"), "state": state}
        for part, state in _parts(found)
    ]
    output.show_all(rows, ["part", "verdict", "state"])
    for each in found["attention"]:
        output.print_text(f"{each['subject']}: {each['problem']} {each['remedy']}")


def _parts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "tokens", "can be issued" if found["can_issue"] else "cannot be issued now"
    database, audit = found["database"], found["audit"]
    yield (
        "database",
        f"{database['kind']}, schema {database['revision']},"
        f" {database['connections_in_use']} of {database['connections_max']} connections in use",
    )
    for key in reversed(found["keys"]):  # the active one first
        yield "keys", f"{key['alg']} {key['kid'][:8]}…: {key['state']}, {key['summary']}"
    checkpoint = f"checkpoint: {_at(audit['checkpoint_at'], 'none')}"
    yield "audit", f"{checkpoint}, newer events: {audit['uncovered']:,}, chains: {audit['chains']}"
    if (push := found["audit_push"]) is not None:
        yield "audit push", f"{push['destination']}: at most {push['behind']:,} events wait"
    busy = [each for each in found["queues"] if each["tasks"]]
    waiting = (f"{each['name']} {each['tasks']:,} of {each['max']:,}" for each in busy)
    yield "queues", ", ".join(waiting) or "empty"
    for key_set in found["key_sets"]:
        yield "key sets", f"{key_set['source']}: fetched {_at(key_set['fetched_at'], 'never')}"
    for each in found.get("providers", ()):  # an older server says nothing of them
        yield "providers", f"{each['issuer']}: failed {in_words(each['failed_before'])} ago"
    verifiers = found["verifiers"]
    lacking = f"{verifiers['lacking_next_key']:,} without the next key"
    left_out = f", about {verifiers['left_out']:,} left out" if verifiers.get("left_out") else ""
    yield "verifiers", f"{verifiers['live']:,} live, {lacking}{left_out}"
    yield "jobs", _jobs(found["jobs"])
    if ending := found.get("ending"):  # an older server says nothing about it
        yield "rights", _ending(ending)
    if agent_os := found.get("agent_os"):
        exposed, silent = agent_os["exposed"], agent_os["silent"]
        yield "agentos", f"{exposed} exposed, {silent} silent"
    if deliveries := found.get("deliveries"):
        waiting, failing = deliveries["waiting"], deliveries["failing"]
        yield "deliveries", f"{waiting:,} wait, {failing:,} not accepted"


def _ending(ending: dict[str, Any]) -> str:
    numbers = {name: ending[f"{name}s"] for name in ("role", "scope", "secret")}
    if not any(numbers.values()):
        return "none ends within a week"
    least = "" if ending["is_complete"] else "at least "
    first = _at(ending["first_at"], "")
    return (
        f"within a week end {least}{counts_in_words(numbers)}, the first at {first}:"
        " `issuer doctor` names them"
    )


def _at(instant: str | None, otherwise: str) -> str:
    return otherwise if instant is None else f"{instant[:16].replace('T', ' ')} UTC"


def _jobs(jobs: list[dict[str, Any]]) -> str:
    failed = [job for job in jobs if job["error"] is not None]
    text = f"{len(jobs)} run"
    if failed:
        last = min(failed, key=lambda job: job["failed_before"])
        before = in_words(last["failed_before"])
        text += f"; last failure {before} ago: {last['name']}: {last['error']}"
    return text


def in_words(seconds: int) -> str:
    """A duration, rounded: 45 s, 12 min, 3 h 12 min, 2 d 3 h."""
    if seconds < _MINUTE:
        return f"{seconds} s"
    minutes, hours = round(seconds / _MINUTE), round(seconds / _HOUR)
    if minutes < _HOUR // _MINUTE:
        return f"{minutes} min"
    if minutes < _DAY // _MINUTE:
        return "{} h {} min".format(*divmod(minutes, 60))
    return "{} d {} h".format(*divmod(hours, 24))


@app.command()
def health(
    url: str | None = option(
        "URL",
        "Base URL of the server. Default: http://127.0.0.1 with the port of `issuer serve`"
        " and the path of ISSUER_URL.",
    ),
    port: int | None = option("PORT", "Another port than the default one.", min=1, max=65535),
) -> None:
    """Check that the server on this machine responds, for a container's health check.

    Another server at that address is an error, also if it is an issuer with another URL.

    Examples:

      issuer health
      issuer health --port 9001
      issuer health --url https://id.example
    """
    if url is not None and port is not None:
        raise typer.BadParameter("use either --url or --port")
    settings = Settings.from_environment()
    here = f"http://127.0.0.1:{port or settings.local_port}{settings.base_path}"
    base = (here if url is None else url).rstrip("/")
    endpoint = f"{base}/healthz"
    try:
        authorities = httpx.create_ssl_context()
        answer = httpx.get(endpoint, timeout=_SECONDS, verify=authorities, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise not_answering(endpoint, error) from None
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"{endpoint} answers {answer.status_code}.")
    if (issuer := metadata_at(base, _SECONDS).get("issuer")) != settings.url:
        raise IssuerError(
            f"{base} is the server of another issuer, {issuer}. ISSUER_URL is {settings.url}: name"
            " where that is served with --port or --url."
        )
    output.say(f"{endpoint} answers: OK.", {"status": "ok"})
