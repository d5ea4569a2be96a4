"""Callers and attackers at the same time, for some seconds, and their answers."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

from tests.journeys.proxies.attacks import ATTACKS, Attack, Attacker
from tests.journeys.proxies.callers import Caller, Ledger, mixed_callers, new_id, one_attacker
from tests.journeys.proxies.wire import ProxiedConnection, connected
from tests.journeys.running_issuer import RunningIssuer

ATTACKERS = 6
BETWEEN_ATTACKS = 0.02
LEAST_ANSWERS = 100
NO_ANSWER = (OSError, EOFError)
NO_ATTACK, TOGETHER = "none", "all of these"
KINDS = (NO_ATTACK, *ATTACKS, TOGETHER)


def behind_proxies(folder: Path) -> RunningIssuer:
    """An issuer that trusts the proxy. All callers have one address here, attackers as well."""
    return RunningIssuer(folder, rate_limit_failures="off", trusted_proxies="127.0.0.1")


@dataclass(frozen=True)
class ProxyLoad:
    """The callers, and the attackers. The seed decides what attackers send."""

    callers: Sequence[Caller]
    attacker: Caller
    seed: int = 0

    @classmethod
    def at(cls, issuer: RunningIssuer) -> Self:
        return cls(mixed_callers(issuer.deployment), one_attacker(issuer.deployment))

    def run(self, port: int, kind: str, seconds: float) -> Ledger:
        """`kind` is one of `KINDS`. Runs longer if there were few answers, on a busy machine."""
        kinds = [attack for name, attack in ATTACKS.items() if kind in {name, TOGETHER}]
        ledger = Ledger()
        asyncio.run(self._run(port, kinds, seconds, ledger))
        return ledger

    def attack_once(self, port: int, attack: Attack) -> Ledger:
        ledger = Ledger()

        async def attack_it() -> None:
            async with connected(port) as connection:
                await attack(Attacker(self.attacker, ledger, Random(self.seed)), connection)

        asyncio.run(attack_it())
        return ledger

    async def _run(self, port: int, kinds: list[Attack], seconds: float, ledger: Ledger) -> None:
        tasks = [asyncio.create_task(self._ask(port, caller, ledger)) for caller in self.callers]
        for number in range(ATTACKERS if kinds else 0):
            attacker = Attacker(self.attacker, ledger, Random(f"{self.seed} {number}"))
            tasks.append(asyncio.create_task(self._attack(port, kinds, attacker)))
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        while ledger.answers < LEAST_ANSWERS and ledger.refused < LEAST_ANSWERS:
            if any(task.done() for task in tasks):
                break
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                raise ended

    async def _ask(self, port: int, caller: Caller, ledger: Ledger) -> None:
        """Repeated requests on one connection; on a new one after a missing answer."""
        while True:
            try:
                async with connected(port) as connection:
                    while True:
                        await ask(connection, caller, ledger)
            except NO_ANSWER:
                ledger.refused += 1

    async def _attack(self, port: int, kinds: Iterable[Attack], attacker: Attacker) -> None:
        """With pauses: this tests who gets which answer, not the speed of the issuer."""
        while True:
            for attack in kinds:
                with suppress(*NO_ANSWER):
                    async with connected(port) as connection:
                        await attack(attacker, connection)
                await asyncio.sleep(BETWEEN_ATTACKS)


async def ask(connection: ProxiedConnection, caller: Caller, ledger: Ledger) -> None:
    """Requests for a token, and for its introspection."""
    own = new_id("token")
    connection.send(caller.token(own))
    token = await answered(connection, caller, own, ledger, "access_token")
    if token:
        own = new_id("introspection")
        connection.send(caller.introspection(own, token))
        await answered(connection, caller, own, ledger, "active")


async def answered(
    connection: ProxiedConnection, caller: Caller, own: str, ledger: Ledger, member: str
) -> Any:
    """The member of the answer; None if it is refused."""
    answer = await connection.answer()
    ledger.check(caller, own, answer)
    value = answer.json.get(member) if answer.status == 200 else None
    ledger.answers += 1 if value else 0
    ledger.refused += 0 if value else 1
    return value
