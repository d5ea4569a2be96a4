"""Configurations that must not start, or must log a warning, each in a process forked for it.

    python -m tests.agentos.adapter.setups --names

It prints `{name: {"raised": …, "logged": …}}`. The changes to agno are ones that a future release
could make.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from agno.os import AgentOS
from agno.os.middleware.jwt import JWTMiddleware, JWTValidator

from issuer.agentos import Verifier
from tests.agentos.adapter import configurations
from tests.agentos.adapter.names import AUDIENCE
from tests.agentos.server import authorization, stub_agent

ISSUER = "http://127.0.0.1:1"
HOOKED = "_load_jwks_file"
URL = "https://other.example/.well-known/jwks.json"


def agent_os(**settings: Any) -> AgentOS:
    return AgentOS(id=AUDIENCE, agents=[stub_agent("web")], telemetry=False, **settings)


def managed(**settings: Any) -> None:
    verifier = Verifier(ISSUER, AUDIENCE, **settings)
    verifier.attach(agent_os(**verifier.auth()).get_app())


def agno_renames_the_method() -> None:
    JWTValidator._load_keys = JWTValidator._load_jwks_file
    del JWTValidator._load_jwks_file
    managed()


def agno_calls_the_method_with_more() -> None:
    setattr(JWTValidator, HOOKED, lambda self, file_path, timeout: None)
    managed()


def agno_calls_the_method_no_more() -> None:
    stock = JWTValidator.__init__

    def init(self: JWTValidator, *_: Any, jwks_file: str | None = None, **more: Any) -> None:
        stock(self, verification_keys=["a key that agno read itself"])

    JWTValidator.__init__ = init
    managed()


def agno_opens_the_file_elsewhere() -> None:
    def init(self: JWTValidator, *_: Any, jwks_file: str = "", **more: Any) -> None:
        with open(jwks_file):  # noqa: PTH123
            pass

    JWTValidator.__init__ = init
    managed()


def agno_is_as_it_was() -> None:
    managed()


def url_without_a_verifier() -> None:
    os.environ["JWT_JWKS_FILE"] = URL
    agent_os(authorization=True).get_app()


def url_that_no_verifier_matches() -> None:
    _ = Verifier(ISSUER, AUDIENCE).jwks_file
    url_without_a_verifier()


def url_that_two_verifiers_match() -> None:
    for audience in (AUDIENCE, "your-os"):
        _ = Verifier(ISSUER, audience, jwks_url=URL).jwks_file
    url_without_a_verifier()


def file_that_is_missing() -> None:
    _ = Verifier(ISSUER, AUDIENCE).jwks_file
    agent_os(**authorization(jwks_file="missing.json")).get_app()


def key_in_the_environment(pem: str, **settings: Any) -> None:
    os.environ["JWT_VERIFICATION_KEY"] = pem
    managed(**settings)


def app_without_verification() -> None:
    Verifier(ISSUER, AUDIENCE).attach(agent_os().get_app())


def app_with_a_security_key_only() -> None:
    os.environ["OS_SECURITY_KEY"] = "of-the-operator"
    app_without_verification()


def middleware_without_validation() -> None:
    verifier = Verifier(ISSUER, AUDIENCE)
    app = agent_os().get_app()
    app.add_middleware(JWTMiddleware, jwks_file=verifier.jwks_file, validate=False)
    verifier.attach(app)


def everything_managed() -> None:
    configurations.managed(ISSUER)


def everything_manual() -> None:
    configurations.manual(ISSUER)


def everything_mounted() -> None:
    configurations.mounted(ISSUER)


def everything_mounted_behind_middleware() -> None:
    configurations.mounted_behind_middleware(ISSUER)


def metadata_of_another_provider() -> None:
    configurations.with_metadata_of_its_own(ISSUER, url="https://os.example")


def setups(pem: str) -> dict[str, Callable[[], None]]:
    key = partial(key_in_the_environment, pem)
    plain = [
        agno_renames_the_method,
        agno_calls_the_method_with_more,
        agno_calls_the_method_no_more,
        agno_opens_the_file_elsewhere,
        agno_is_as_it_was,
        url_without_a_verifier,
        url_that_no_verifier_matches,
        url_that_two_verifiers_match,
        file_that_is_missing,
        app_without_verification,
        app_with_a_security_key_only,
        middleware_without_validation,
        everything_managed,
        everything_manual,
        everything_mounted,
        everything_mounted_behind_middleware,
        metadata_of_another_provider,
    ]
    return {setup.__name__: setup for setup in plain} | {
        "key_in_the_environment": key,
        "key_in_the_environment_and_strict": partial(key, strict=True),
        "key_in_the_environment_that_is_named": partial(key, verification_keys=[pem], strict=True),
    }


def observe(setup: Callable[[], None], answer: Connection) -> None:
    log = StringIO()
    logging.getLogger("issuer.agentos").addHandler(logging.StreamHandler(log))
    try:
        setup()
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
    else:
        raised = None
    answer.send({"raised": raised, "logged": log.getvalue()})


def started(setup: Callable[[], None]) -> tuple[BaseProcess, Connection]:
    fork = get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=observe, args=[setup, theirs])
    process.start()
    theirs.close()
    return process, ours


def observed(setups: dict[str, Callable[[], None]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All of them concurrently: each mostly waits."""
    running = {name: started(setup) for name, setup in setups.items()}
    for name, (process, result) in running.items():
        yield name, result.recv()
        process.join()


if __name__ == "__main__":
    print(json.dumps(dict(observed(setups(sys.argv[1])))))  # noqa: T201
