"""Two servers of one deployment: nobody becomes administrator by an old sign-in, or is kept out."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import update

from issuer.clock import Clock
from issuer.database.tables import SignInSessionRow
from issuer.scopes import ISSUER_ADMIN
from issuer.sign_in.sessions_store import FRESH_FOR
from tests.builders import Credentials
from tests.drivers import AdminApi, TokenAnswer
from tests.journeys.running_issuer import RunningIssuer, Server, polls
from tests.sign_in.authorizing import CALLBACK, App, returned
from tests.sign_in.people import AuthenticatorApp
from tests.web.browsing import Browser, PageSeen

pytestmark = pytest.mark.slow
WITHIN = 10.0  # seconds, on a busy machine as well
AGAIN = "Sign in again: this needs a recent sign-in"


@dataclass(frozen=True)
class Applications:
    """Two, at which users may use all that they hold."""

    in_browsers: Credentials
    with_password: Credentials


@pytest.fixture(scope="module")
def servers(issuer: RunningIssuer) -> Iterator[list[Server]]:
    with issuer.replica() as replica:
        yield [issuer, replica]


@pytest.fixture(scope="module")
def applications(issuer: RunningIssuer) -> Applications:
    deployment = issuer.deployment
    deployment.role("administrator", [ISSUER_ADMIN, "agents:run"])
    deployment.role("web", ["agents:web:run"])
    deployment.group("Plain", [], ["web"], id="plain")
    all_rights = {"audiences": [issuer.url, "my-os"], "user_rights": "all"}
    return Applications(
        deployment.client(
            grant_types=["authorization_code", "refresh_token"],
            redirect_uris=[CALLBACK],
            **all_rights,
        ),
        deployment.client(grant_types=["password", "refresh_token"], **all_rights),
    )


def test_an_old_session_gives_no_rights_here_at_either_server(
    issuer: RunningIssuer, servers: list[Server], applications: Applications
):
    """Before and after ten minutes, and after a second factor was added in between."""
    user_id = issuer.deployment.user("alice", ["administrator"])
    app = App(issuer.token_endpoint, applications.in_browsers, more={"audience": issuer.url})

    def at(server: Server) -> Browser:
        """The same browser: a load balancer sends it to either."""
        browser = Browser(server.http, issuer.url)
        browser.cookies = here.cookies
        return browser

    def sees(server: Server, **request: str) -> PageSeen:
        return at(server).get("/oauth2/authorize", **app.request(**request))

    def is_to_sign_in_again(server: Server) -> bool:
        location = sees(server).location
        return location.startswith("/sign-in?request=") and AGAIN in at(server).get(location).text

    here = Browser(issuer.http, issuer.url)
    here.sign_in("alice")
    for server in servers:
        assert sees(server).location.startswith("/consent?")
    with issuer.deployment.services.database.transaction() as session:
        before = {"authenticated_at": Clock()() - FRESH_FOR}
        session.execute(update(SignInSessionRow).values(before))
    for server in servers:
        assert is_to_sign_in_again(server)
        assert returned(sees(server, prompt="none").response)["error"] == "login_required"
        assert sees(server, audience="my-os").location.startswith("/consent?")
    here = Browser(issuer.http, issuer.url)
    here.sign_in("alice")
    assert sees(servers[1]).location.startswith("/consent?")
    with issuer.deployment.changing() as work:
        setup = work.factors.begin_totp(user_id)
        code = AuthenticatorApp(setup.secret, Clock()).code()
        work.factors.confirm_totp(user_id, setup.sealed, code)
    for server in servers:
        assert is_to_sign_in_again(server)


def test_a_lesser_hand_at_one_server_ends_no_token_of_an_administrator_at_the_other(
    issuer: RunningIssuer, servers: list[Server], applications: Applications
):
    """In and out of a group of an AgentOS ten times, by REST at both."""
    user_id = issuer.deployment.user("carol", ["administrator"])
    lesser = issuer.deployment.client(scopes=["issuer:groups:write"], audiences=[issuer.url])
    app = applications.with_password

    def signed_in(audience: str) -> TokenAnswer:
        """Again while the machine is too busy to hash a password in time."""
        endpoint = servers[1].token_endpoint
        answers = (endpoint.password(app, "carol", audience=audience) for _ in polls(WITHIN))
        return next(each for each in answers if each.status == httpx.codes.OK)

    callers = [
        AdminApi(server.http, issuer.token_endpoint.client_credentials(lesser).token)
        for server in servers
    ]
    own, at_agentos = signed_in(issuer.url), signed_in("my-os")
    member = f"/groups/plain/members/{user_id}"
    for number in range(10):
        caller, other = callers[number % 2], servers[1 - number % 2]
        assert caller.put(member).status_code == httpx.codes.NO_CONTENT
        assert caller.delete(member).status_code == httpx.codes.NO_CONTENT
        assert AdminApi(other.http, own.token).get("/roles").status_code == httpx.codes.OK
        own = other.token_endpoint.refresh(app, own.refresh_token)
        assert own.status == httpx.codes.OK, own.body
    for server in servers:
        introspect = server.token_endpoint.introspect
        assert False in (introspect(app, at_agentos.token)["active"] for _ in polls(WITHIN))
