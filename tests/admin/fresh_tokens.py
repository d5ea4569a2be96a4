"""A hook of schemathesis: another token as soon as a request has revoked the last one."""

import os
import time
from functools import cache

import httpx
import schemathesis

ATTEMPTS = 20
BETWEEN_ATTEMPTS = 0.2  # seconds: tokens of the second of a revocation are revoked as well


@cache
def token() -> str:
    for _ in range(ATTEMPTS):
        answer = httpx.post(
            f"{os.environ['ISSUER_URL']}/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]),
            trust_env=False,
            timeout=60,
        )
        if answer.status_code == httpx.codes.OK:
            return answer.json()["access_token"]
        time.sleep(BETWEEN_ATTEMPTS)
    raise AssertionError(answer.text)


schemathesis.serializer.alias("application/secevent+jwt", "text/plain")


@schemathesis.hook
def filter_case(_context: object, case: schemathesis.Case) -> bool:
    """The client whose tokens these are keeps its secret and its rights."""
    named = (case.path_parameters or {}).values()
    return case.method == "GET" or os.environ["CLIENT_ID"] not in named


@schemathesis.hook
def after_call(_context: object, _case: object, response: schemathesis.Response) -> None:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        token.cache_clear()


@schemathesis.auth(refresh_interval=None)
class FreshToken:
    def get(self, *_: object) -> str:
        return token()

    def set(self, case: schemathesis.Case, text: str, _: object) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {text}"}
