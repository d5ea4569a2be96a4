"""The overhead of a token that was exchanged before, in the client.

    python -m benchmarks.cached_exchange [--rounds 7] [--calls 20000]

What a call costs that has the token of a user and needs the exchanged one, compared with a client's
own token, for as many users as are kept. The issuer is a function in this process; a token has the
size of a real one. The median of the rounds, in µs a call.
"""

import argparse
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from itertools import cycle
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

from issuer.agentos import Verifier, caller
from issuer.client import TokenClient
from issuer.client.on_behalf_of import MOST_SUBJECT_TOKENS

ISSUER = "https://id.example"
MOST_MICROSECONDS = 20.0


def answer(request: httpx.Request) -> httpx.Response:
    if request.method == "GET":
        return httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"})
    document = {"access_token": "t" * 1200, "token_type": "Bearer", "expires_in": 900}
    return httpx.Response(200, json=document)


def user_token(number: int) -> str:
    claims = {"sub": f"usr_{number}", "exp": int(time.time()) + 3600, "pad": "x" * 600}
    part = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{part}.{'s' * 342}"


def measured(call: Callable[[], object], rounds: int, calls: int) -> float:
    """Microseconds of a call."""
    results = []
    for _ in range(rounds + 1):  # the first one warms up
        started = time.perf_counter()
        for _ in range(calls):
            call()
        results.append((time.perf_counter() - started) / calls * 1e6)
    return median(results[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20_000)
    options = parser.parse_args()
    transport = httpx.MockTransport(answer)
    tokens = TokenClient(
        ISSUER, "os-1", client_secret="secret", audience="os-2", transport=lambda: transport
    )
    users = [user_token(number) for number in range(MOST_SUBJECT_TOKENS)]
    for user in users:
        tokens.on_behalf_of(user).token()
    turn = cycle(users)
    acting = Verifier(ISSUER, "os-1", revocations=False).on_behalf_of(tokens)
    claims = {"iss": ISSUER, "sub": "usr_0", "client_id": "app", "exp": time.time() + 3600}
    with caller.in_request({"path": "/"}):
        caller.accept(users[0], claims)
        costs = {
            "the client's own token": measured(tokens.token, options.rounds, options.calls),
            "of one of the users in turn": measured(
                lambda: tokens.on_behalf_of(next(turn)).token(), options.rounds, options.calls
            ),
            "of the user at hand in an AgentOS": measured(
                acting.token, options.rounds, options.calls
            ),
        }
    table = Table("exchanged before", "µs")
    for name, cost in costs.items():
        table.add_row(name, f"{cost:.1f}")
    Console().print(table)
    worst = max(costs.values())
    print(f"At most {worst:.1f} µs; the target is {MOST_MICROSECONDS:.0f} µs.")


if __name__ == "__main__":
    main()
