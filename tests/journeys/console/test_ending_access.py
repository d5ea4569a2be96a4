"""Secrets and keys that are replaced or revoked in the console stop working."""

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from tests.builders import Credentials, Deployment
from tests.chromium import in_chromium
from tests.journeys.console.person import PersonAtConsole, in_the_past, let_in
from tests.journeys.running_issuer import RunningIssuer, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = in_chromium

SECONDS_TO_NOTE = 60  # uses of secrets are written every ten seconds
SECONDS_TO_PUBLISH = 10
TWO_DAYS, A_QUARTER = timedelta(days=2), timedelta(minutes=15)
ELSEWHERE = "198.51.100.7"


def test_a_secret_is_rotated_with_evidence(person: PersonAtConsole, issuer: RunningIssuer):
    old = used_two_days_ago(issuer, "ci-bot")
    person.go("/console/clients/ci-bot")
    assert "2 days ago" in person.row(ELSEWHERE).inner_text()
    person.press("Rotate the secret")
    new = Credentials("ci-bot", person.page.locator("code.secret").inner_text())
    person.follow("Go to ci-bot")
    assert "The new secret has not been used yet: deploy it." in person.screen
    assert issuer.token_endpoint.client_credentials(new).status == httpx.codes.OK
    wait_until(lambda: is_noted(issuer, new), SECONDS_TO_NOTE, "the use of the secret is noted")
    person.go("/console/clients/ci-bot")
    assert person.row("127.0.0.1").get_by_text("new", exact=True).is_visible()
    assert person.row(ELSEWHERE).get_by_text("old", exact=True).is_visible()
    assert "no old one was used since it was made. It can be finished." in person.screen
    person.press("Finish: delete the old secret")
    assert "will be refused within a second" in person.screen
    person.press("Delete the old secret")
    assert "Deleted the old secrets; the new secret" in person.notice
    assert issuer.token_endpoint.client_credentials(old).error == "invalid_client"
    assert issuer.token_endpoint.client_credentials(new).status == httpx.codes.OK


def test_a_stolen_key_is_revoked_after_signing_in_again(
    context: "BrowserContext", issuer: RunningIssuer, ada: str
):
    client = issuer.deployment.client(scopes=["agents:web:run"])
    signed = issuer.token_endpoint.client_credentials(client)
    kid = issuer.token_endpoint.read(signed)[0]["kid"]
    with in_the_past(issuer, A_QUARTER) as services:
        let_in(context, services, ada)
    person = PersonAtConsole(issuer.url, context.new_page())
    person.go("/console/keys")
    person.row(kid).get_by_role("link", name="Revoke").click()
    assert person.heading == "Sign in"
    person.sign_in("ada")
    assert person.heading == f"Revoke the key {kid[:8]}…?"
    for typed in ("something else", kid[:8]):
        assert kid in published(issuer)
        person.fill(f"Type {kid[:8]} to confirm", typed)
        person.press("Revoke key")
    assert f"The key {kid} is revoked." in person.notice
    wait_until(lambda: kid not in published(issuer), SECONDS_TO_PUBLISH, "the key is gone")
    assert not issuer.token_endpoint.introspect(client, signed.token)["active"]
    following = issuer.token_endpoint.client_credentials(client)
    assert issuer.token_endpoint.read(following)[0]["kid"] != kid
    assert person.problems == []


def used_two_days_ago(issuer: RunningIssuer, client_id: str) -> Credentials:
    """A client that was created and authenticated then, from `ELSEWHERE`."""
    with in_the_past(issuer, TWO_DAYS) as services:
        then = Deployment(services, issuer.deployment.admin, issuer.http)
        client = then.client(client_id, scopes=["agents:web:run"])
        tokens, now = services.tokens, services.clock()
        authenticated = tokens.client_authentication.from_database(
            client.client_id, client.client_secret, now, is_last=True
        )
        tokens.last_use.note(authenticated.secret, now, ELSEWHERE)
        tokens.last_use.write()
    return client


def is_noted(issuer: RunningIssuer, client: Credentials) -> bool:
    """Whether the database has a use of the secret that is being rotated to."""
    with issuer.deployment.services.administration.reading() as work:
        rotation = work.rotations.get(client.client_id)
    return rotation.new.last_used_at is not None


def published(issuer: RunningIssuer) -> set[str]:
    keys = issuer.http.get("/.well-known/jwks.json").json()["keys"]
    return {key["kid"] for key in keys}
