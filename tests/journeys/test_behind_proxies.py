"""Many callers behind one proxy: each gets its own answers, whatever others send.

The configurations are those of `docs/how-to/run-behind-a-proxy.md`; its table comes from
`python -m tests.journeys.proxies --write-docs`.
"""

import os
from collections.abc import Iterator
from random import Random
from string import ascii_letters
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import func, select

from issuer.database.tables import AuditEventRow
from tests.drivers import AdminApi
from tests.journeys.proxies.attacks import FORGED_ADDRESS, trailers
from tests.journeys.proxies.load import KINDS, LEAST_ANSWERS, TOGETHER, ProxyLoad, behind_proxies
from tests.journeys.proxies.servers import PROXIES, Directly, Proxy
from tests.journeys.running_issuer import RunningIssuer
from tests.sign_in.authorizing import challenge


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with behind_proxies(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def load(issuer: RunningIssuer) -> ProxyLoad:
    return ProxyLoad.at(issuer)


@pytest.fixture(scope="module", params=PROXIES, ids=lambda proxy: proxy.name)
def port(
    request: pytest.FixtureRequest,
    issuer: RunningIssuer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """The port that callers use."""
    proxy: Proxy | Directly = request.param
    if proxy.program is None:
        sentence = f"{proxy.name} is not installed: apt-get install {proxy.name}"
        assert "REQUIRE_PROXIES" not in os.environ, sentence
        pytest.skip(sentence)
    with proxy.running(issuer.port, tmp_path_factory.mktemp("proxy") / proxy.name) as port:
        yield port


def test_every_answer_goes_to_its_caller(load: ProxyLoad, port: int):
    ledger = load.run(port, TOGETHER, seconds=2)
    assert not ledger.misplaced
    assert not ledger.trusted_trailers
    assert ledger.answers >= LEAST_ANSWERS
    assert ledger.to_attackers


def test_an_id_with_slashes_stays_one_segment(issuer: RunningIssuer, port: int):
    """Such as that of the issuer's own audience."""
    token = issuer.token_endpoint.client_credentials(issuer.deployment.admin).token
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        answer = AdminApi(http, token).get(f"/audiences/{quote(issuer.url, safe='')}")
    assert answer.json()["id"] == issuer.url


def test_the_longest_authorization_request_passes(issuer: RunningIssuer, port: int):
    """It travels in redirects and URLs, since it does not fit into a cookie."""
    callback, client_id = "https://app.example/callback", f"app-{port}"
    issuer.deployment.client(
        client_id, grant_types=["authorization_code"], redirect_uris=[callback], user_rights="all"
    )
    request = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": callback,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        "scope": "openid",
        "state": "".join(Random(7).choices(ascii_letters, k=4_096)),
        "nonce": "".join(Random(8).choices(ascii_letters, k=1_900)),
    }
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        asked = http.get("/oauth2/authorize", params=request)
        assert asked.status_code == httpx.codes.SEE_OTHER, asked.text
        location = asked.headers["location"]
        assert len(location) > 6_000
        page = http.get(location.removeprefix(issuer.url), headers={"Referer": issuer.url})
    assert "Sign in to" in page.text


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_goes_to_its_caller_for_a_minute(load: ProxyLoad, port: int, kind: str):
    ledger = load.run(port, kind, seconds=60 / len(KINDS))
    assert not ledger.misplaced
    assert not ledger.trusted_trailers
    assert ledger.answers >= LEAST_ANSWERS


def test_a_trailer_cannot_set_the_address_of_a_caller(
    issuer: RunningIssuer, load: ProxyLoad, port: int
):
    """Else an attacker could set the address in the audit log and for the rate limits."""
    with issuer.deployment.services.database.reading() as session:
        before = session.scalar(select(func.max(AuditEventRow.id)))
    assert load.attack_once(port, trailers).to_attackers == 2
    with issuer.deployment.services.database.reading() as session:
        since = select(AuditEventRow.address).where(AuditEventRow.id > before)
        assert FORGED_ADDRESS not in session.scalars(since).all()
