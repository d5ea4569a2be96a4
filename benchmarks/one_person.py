"""One person with an account who signs in and sets passwords, and others who sign in."""

from collections.abc import Iterator
from itertools import cycle
from urllib.parse import urlencode

from benchmarks.attacking import FORM, Attack, AttackedIssuer
from benchmarks.scenarios import TOKEN
from benchmarks.scripts import in_turn, post
from tests.builders import PASSWORD
from tests.journeys.proxies.wire import request
from tests.journeys.running_issuer import RunningIssuer
from tests.web.browsing import Browser

ATTACKER = "mallory"
CONNECTIONS = 24
SIGN_IN, CHANGE = "/sign-in", "/account/password"


def others_sign_in(issuer: RunningIssuer) -> str:
    """Thirty-two people, through an application."""
    usernames = [f"user-{number}" for number in range(32)]
    for username in usernames:
        issuer.deployment.user(username)
    front = issuer.deployment.client("front", grant_types=["password"], scopes=["agents:*"])
    grant = {"grant_type": "password", "password": PASSWORD}
    return in_turn([post(TOKEN, front, username=each, **grant) for each in usernames])


class OnePerson:
    """Sends the right password each time; the new one is the user name, which is refused."""

    def __init__(self) -> None:
        self._asks: Iterator[bytes] = iter(())

    def begin(self, target: AttackedIssuer) -> None:
        """Sign in, with nobody else there yet."""
        issuer = target.issuer
        issuer.deployment.user(ATTACKER)
        new, signed_in = (Browser(issuer.http, issuer.url) for _ in range(2))
        sign_in = form(new, SIGN_IN, username=ATTACKER, password=PASSWORD)
        signed_in.sign_in(ATTACKER)
        refused = dict.fromkeys(("new_password", "repeated"), ATTACKER)
        self._asks = cycle((sign_in, form(signed_in, CHANGE, password=PASSWORD, **refused)))

    async def run(self, target: AttackedIssuer) -> None:
        await target.flood(lambda: next(self._asks), CONNECTIONS)


def form(browser: Browser, path: str, **typed: str) -> bytes:
    """The form of that page, as the browser sends it again and again."""
    fields = browser.get(path).form(path).fields
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    body = urlencode({**fields, **typed}).encode()
    return request(path, [FORM, ("Cookie", cookies)], body)


_person = OnePerson()
ONE_PERSON = Attack(
    f"one person who signs in and sets passwords, {CONNECTIONS} connections; honest: sign-ins",
    _person.run,
    _person.begin,
    honest=others_sign_in,
    connections=4,
)
