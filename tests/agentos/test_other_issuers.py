"""The recipes for other issuers: each runs as printed, with tokens as the provider documents."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.agentos.key_server import KeyServer, running_key_server
from tests.agentos.providers import ADMIN, PROVIDERS, Provider
from tests.agentos.running_examples import results_of
from tests.agentos.tokens import Tokens, signed_with_the_public_key, unsigned, with_claims
from tests.journeys.running_issuer import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "accept-other-issuers.md").read_text()
ROTATE = "/rotate"

Requests = dict[str, tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class StandIn:
    """Serves the documents of a provider at its paths, and signs tokens of its shape.

    `forger` has another key of the `kid` of `key`.
    """

    provider: Provider
    server: KeyServer
    key: Tokens
    next_key: Tokens
    forger: Tokens

    def local(self, text: str) -> str:
        """With the hosts of the provider replaced by this server."""
        for url in (self.provider.issuer, self.provider.keys):
            text = text.replace(urlsplit(url)._replace(path="").geturl(), self.server.url)
        return text

    def publish(self, key: Tokens) -> None:
        """Replace the key set."""
        path = urlsplit(self.provider.keys).path
        self.server.put(path, key.jwks, cache_control="max-age=300")

    def token(self, changes: Any = (), *, key: Tokens | None = None, **header: Any) -> str:
        """A token that may run the agent `web`, with these changes of its claims."""
        now = int(time.time())
        issued = {"iss": self.local(self.provider.issuer), "iat": now, "exp": now + 300}
        claims = {**issued, **self.provider.claims, **dict(changes)}
        return (key or self.key).sign(claims, header.get("typ", self.provider.typ))


@cache
def keys_for(algorithm: str) -> tuple[Tokens, Tokens, Tokens]:
    """The same for every provider: generating keys is slow, and `iss` must tell them apart."""
    first, second = Tokens(algorithm), Tokens(algorithm)
    return first, second, Tokens(algorithm, kid=first.kid)


def stand_in(provider: Provider, server: KeyServer) -> StandIn:
    made = StandIn(provider, server, *keys_for(provider.algorithm))
    made.publish(made.key)
    server.when_asked[ROTATE] = lambda: made.publish(made.next_key)
    if provider.metadata is not None:
        names = {"issuer": made.local(provider.issuer), "jwks_uri": made.local(provider.keys)}
        server.put(urlsplit(provider.metadata).path, names)
    return made


def code_of(name: str, provider: Provider) -> str:
    """The recipe as printed."""
    section = PAGE.split(f"\n## {provider.section or name}\n")[1].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[provider.code]


def run(token: str | None, agent: str = "web", **more: Any) -> dict[str, Any]:
    form = {"message": "ping", "stream": "false"}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return {"method": "POST", "url": f"/agents/{agent}/runs", "data": form, **more} | {
        "headers": headers
    }


def requests_of(issuer: StandIn) -> Requests:
    """What the AgentOS of a recipe must answer, in this order."""
    good = issuer.token()
    return {
        "a good token": (200, run(good)),
        "another agent": (403, run(good, "billing")),
        "a token without the right": (403, run(issuer.token(issuer.provider.powerless))),
        **{
            name: (401, run(issuer.token(changes)))
            for name, changes in issuer.provider.refused.items()
        },
        **{typ: (401, run(issuer.token(typ=typ))) for typ in issuer.provider.other_typs},
        "another issuer": (401, run(issuer.token({"iss": "https://id.example"}))),
        "the issuer spelled differently": (401, run(issuer.token({"iss": other_spelling(issuer)}))),
        "an expired token": (401, run(issuer.token({"exp": int(time.time()) - 60}))),
        "no exp": (401, run(issuer.token({"exp": None}))),
        "no sub": (401, run(issuer.token({"sub": None}))),
        "no token": (401, run(None)),
        "other claims": (401, run(with_claims(good, scopes=ADMIN))),
        "a forged signature": (401, run(issuer.token(key=issuer.forger))),
        "no signature": (401, run(unsigned(good))),
        "HS256 with the public key": (401, run(signed_with_the_public_key(good, issuer.key.pem))),
        "a rotation": (404, {"method": "GET", "url": issuer.server.url + ROTATE}),
        "the next key": (200, run(issuer.token(key=issuer.next_key), until=200)),
        "a key that was removed": (401, run(good)),
        "the good token's scope still decides": (
            403,
            run(issuer.token(key=issuer.next_key), "billing"),
        ),
    }


def other_spelling(issuer: StandIn) -> str:
    named = issuer.local(issuer.provider.issuer)
    return named.removesuffix("/") if named.endswith("/") else f"{named}/"


@dataclass(frozen=True)
class Answers:
    """The statuses that a recipe's AgentOS answered, and those it must, by request."""

    expected: dict[str, int]
    result: Any

    @property
    def by_request(self) -> Any:
        if isinstance(self.result, str):  # a traceback
            return self.result
        return dict(zip(self.expected, self.result, strict=True))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answers]]:
    """All recipes in one run, because importing agno is slow."""
    examples, expected = [], []
    with ExitStack() as servers:
        for name, provider in PROVIDERS.items():
            issuer = stand_in(provider, servers.enter_context(running_key_server()))
            requests = requests_of(issuer)
            code = issuer.local(code_of(name, provider))
            agents = 'agents=[stub_agent("web"), stub_agent("billing")]'
            examples.append(
                {
                    "code": code.replace("agents=[...]", agents),
                    "requests": [request for _, request in requests.values()],
                    "folder": str(tmp_path_factory.mktemp("recipe")),
                }
            )
            expected.append({name: status for name, (status, _) in requests.items()})
        results = results_of(examples, tmp_path_factory.mktemp("recipes"))
        open_answer = (Answers(*each) for each in zip(expected, results, strict=True))
        yield dict(zip(PROVIDERS, open_answer, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_recipe_answers_as_the_page_says(answers: dict[str, Answers], name: str):
    """Right tokens are accepted and narrowed, others refused, and a rotation is followed."""
    assert answers[name].by_request == answers[name].expected


def test_every_recipe_of_the_page_is_run():
    sections = PAGE.split("\n## ")[1:]
    recipes = {each.partition("\n")[0] for each in sections if "```python" in each}
    assert {each.section or name for name, each in PROVIDERS.items()} == recipes
    assert PAGE.count("```python") == len(PROVIDERS)
