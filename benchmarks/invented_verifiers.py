"""Reports of verifiers from many networks, and a rotation that must wait for a real one."""

from itertools import count

from benchmarks.attacking import ADDRESS, Attack, AttackedIssuer
from benchmarks.scenarios import FEED
from issuer.verifiers.known_verifiers import VerifiersLackKey
from tests.journeys.proxies.wire import request
from tests.journeys.running_issuer import wait_until
from tests.verifiers.reporting import NAME, report

NETWORKS = 520
REAL = 10
CONNECTIONS = 4
HOME = "192.0.2.1"


def ten_real_ones(target: AttackedIssuer) -> None:
    """Ten processes at one address; the last one lacks the next key."""
    kids = [key.kid for key in target.issuer.deployment.services.keys.keyring.keys]
    for number in range(REAL):
        held = kids if number < REAL - 1 else ["old"]
        headers = {NAME: report(held, id=f"process-{number}")}
        target.issuer.http.get(FEED, headers=headers)
    wait_until(lambda: live(target) == REAL, 30, "the real verifiers are known")


def live(target: AttackedIssuer) -> int:
    with target.issuer.deployment.services.administration.reading() as work:
        return sum(
            each.live and each.instance.startswith("process-") for each in work.verifiers.all()
        )


async def invented(target: AttackedIssuer) -> None:
    """New ones each time, which say that they hold the next key."""
    kids = [key.kid for key in target.issuer.deployment.services.keys.keyring.keys]
    numbers = count()

    def ask() -> bytes:
        number = next(numbers)
        network = f"10.{number % NETWORKS // 250}.{number % NETWORKS % 250}.1"
        said = (NAME, report(kids, id=f"invented-{number}").decode())
        return request(FEED, [("X-Forwarded-For", network), said], method="GET")

    await target.flood(ask, CONNECTIONS)


def rotation_waits(target: AttackedIssuer) -> tuple[str, bool]:
    """Whether all real ones are known, and `key rotate` would be refused."""
    found = live(target)
    with target.issuer.deployment.services.administration.reading() as work:
        key = max(work.keys.all(), key=lambda each: each.announced_at)
        try:
            work.verifiers.require_next_key(key)
            waits = False
        except VerifiersLackKey:
            waits = True
    text = f"{found} of {REAL} verifiers known, a rotation {'waits' if waits else 'passes'}"
    return text, waits and found == REAL


INVENTED_VERIFIERS = Attack(
    f"invented verifiers from {NETWORKS} networks, {CONNECTIONS} connections",
    invented,
    ten_real_ones,
    settings={"trusted_proxies": ADDRESS},
    check=rotation_waits,
)
