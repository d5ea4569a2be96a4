"""An issuer of ours where people sign in at another one of ours: each tells the other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from issuer.federation.fetching import HttpAnswer
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import URL, Deployment, FakeClock, initialised, settings_for
from tests.databases import copied
from tests.deliveries.receiving import Receivers
from tests.drivers import TokenDriver
from tests.issuers import Initialized, served
from tests.sign_in.authorizing import CALLBACK, GRANTS, App
from tests.web.browsing import Browser, PageSeen

UP = "https://up.example"
APP = "https://app.example/logout"


@dataclass
class BothIssuers:
    """The internet: both issuers, by their URL."""

    issuers: dict[str, Deployment]
    asked: list[str] = field(default_factory=list)

    def require_allowed(self, url: str) -> None:
        assert url.startswith("https://")

    async def request(
        self, method: str, url: str, headers: dict[str, str], content: str | None = None
    ) -> HttpAnswer:
        self.asked.append(url)
        parts = urlsplit(url)
        http = self.issuers[f"{parts.scheme}://{parts.netloc}"].http
        answer = http.request(method, url, headers=dict(headers), content=content)
        return HttpAnswer(answer.status_code, answer.content)

    async def send(self, url: str, headers: dict[str, str], content: str) -> int:
        return (await self.request("POST", url, headers, content)).status_code


@dataclass
class IssuerChain:
    """Alice is signed in at both, at `here` through `above`, and uses an application here."""

    here: Deployment
    above: Deployment
    app: App
    receivers: Receivers
    browser: Browser
    browser_above: Browser

    def sign_in(self) -> None:
        page = self.browser.get("/sign-in")
        there = self.browser.submit(page, "/sign-in/with", issuer="up").location
        back = self.browser_above.get(there.removeprefix(UP)).location
        assert self.browser.get(back.removeprefix(URL)).location == "/account"
        asked = self.browser.get("/oauth2/authorize", **self.app.request(resource="my-os"))
        code = dict(parse_qsl(urlsplit(asked.location).query))["code"]
        assert self.app.redeem(code).status == 200

    def tell(self, issuer: Deployment) -> None:
        """Let what waits at the issuer be sent."""
        for claimed in issuer.services.deliveries.claim():
            issuer.services.deliveries.deliver(claimed)

    def told(self) -> int:
        """How often the application was told, after everything was sent."""
        self.tell(self.above)
        return len(self.receivers.deliver())


@pytest.fixture
def above(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[Deployment]:
    with copied(request.getfixturevalue(f"migrated_{database_kind}"), tmp_path) as url:
        settings = settings_for(tmp_path / "up", url, url=UP)
        with served(Initialized(settings, initialised(settings, clock)), clock) as deployment:
            yield deployment


@pytest.fixture
def chain(deployment: Deployment, above: Deployment, token_endpoint: TokenDriver) -> IssuerChain:
    web = BothIssuers({URL: deployment, UP: above})
    above_id = above.user("alice", name="Alice")
    there = above.client(
        "here",
        audiences=[],
        grant_types=GRANTS,
        redirect_uris=[f"{URL}/sign-in/callback/up"],
        post_logout_redirect_uris=[f"{URL}/sign-out"],
        backchannel_logout_uri=f"{URL}/oauth2/backchannel-logout",
        first_party=True,
    )
    members = {
        "id": "up",
        "issuer": UP,
        "algorithms": ["ES256"],
        "keys": {"jwks": above.http.get("/.well-known/jwks.json").json()},
        "kinds": ["people"],
        "sign_in": {"client_id": "here", "client_secret": there.client_secret},
    }
    deployment.role("runner", ["agents:run"])
    alice = deployment.user("alice", ["runner"])
    with deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(members))
        work.identities.link(alice, "up", above_id, "", work.authority.grantor)
    app = deployment.client(
        "app",
        scopes=["agents:run"],
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        first_party=True,
        backchannel_logout_uri=APP,
    )
    deployment.services.provider_sign_in._providers._fetcher = web
    above.services.deliveries._fetcher = web
    browser_above = Browser(above.http, UP)
    browser_above.sign_in()
    chain = IssuerChain(
        deployment,
        above,
        App(token_endpoint, app, more={"scope": "openid agents:run"}),
        Receivers.of(deployment),
        Browser(deployment.http),
        browser_above,
    )
    chain.sign_in()
    return chain


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/account").status == 200


def sign_out(browser: Browser) -> PageSeen:
    return browser.submit(browser.get("/sign-out"), "/sign-out")


def test_who_signs_out_above_is_signed_out_here_and_at_the_application(chain: IssuerChain):
    assert sign_out(chain.browser_above).location == "/sign-out"
    assert is_signed_in(chain.browser)
    assert chain.told() == 1
    assert not is_signed_in(chain.browser)


def test_who_signs_out_here_is_signed_out_above_and_comes_back(chain: IssuerChain):
    there = sign_out(chain.browser).location
    assert there.startswith(f"{UP}/oauth2/logout?")
    back = chain.browser_above.get(there.removeprefix(UP)).location
    assert not is_signed_in(chain.browser_above)
    assert back.startswith(f"{URL}/sign-out?state=")
    assert "You are signed out" in chain.browser.get(back.removeprefix(URL)).text
    assert chain.told() == 1
    assert chain.told() == 0


def test_a_user_who_is_disabled_above_is_signed_out_here(chain: IssuerChain):
    with chain.above.changing() as work:
        (user,) = work.users.search("alice", 1)
        work.users.update(user.id, {"disabled": True})
    assert chain.told() == 1
    assert not is_signed_in(chain.browser)
