"""Clients by metadata document (draft-ietf-oauth-client-id-metadata-document)."""

import json
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Semaphore
from typing import Any

import pytest

from issuer.clients.documents import (
    MAX_AT_ONCE,
    ClientDocuments,
    DocumentHosts,
    InvalidDocument,
    read_document,
)
from issuer.directory import ClientRecord, Directory
from issuer.errors import AlreadyExists, InvalidField, NotAllowed
from issuer.federation import FetchedDocument, Fetcher, FetchRefused
from issuer.roles import Assignment
from issuer.vocabulary import RegisteredBy
from tests.builders import URL, Deployment
from tests.rows import rows

CLIENT = "https://app.example/client.json"
CALLBACK = "https://app.example/callback"


@dataclass
class Web:
    """The documents of the internet, by URL."""

    documents: dict[str, FetchedDocument] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, url: str = CLIENT, max_age: float | None = None, **members: Any) -> None:
        self.documents[url] = FetchedDocument(body(url, **members), max_age)

    def fetch(self, url: str) -> FetchedDocument:
        self.asked.append(url)
        if url not in self.documents:
            raise FetchRefused(f"{url} answered 404.")
        return self.documents[url]


@pytest.fixture
def web() -> Web:
    return Web()


def documents_of(deployment: Deployment, web: Web, *hosts: str) -> ClientDocuments:
    accepted = DocumentHosts(hosts)
    directory = Directory(deployment.services.database, deployment.clock, URL, accepted.accept)
    database = deployment.services.database
    return ClientDocuments(directory, database, lambda: web, deployment.clock, accepted)


def body(url: str = CLIENT, **members: Any) -> bytes:
    default = {"client_id": url, "client_name": "App", "redirect_uris": [CALLBACK]}
    return json.dumps({**default, **members}).encode()


def test_a_document_is_a_public_client_without_rights(deployment: Deployment, web: Web):
    web.publish(logo_uri="http://10.0.0.1/logo.png", contacts=["a@app.example"], tos_uri=None)
    deployment.audience("other-os")
    client = documents_of(deployment, web, "app.example").find(CLIENT)
    assert client is not None
    assert (client.name, client.redirect_uris) == ("App", (CALLBACK,))
    assert client.token_endpoint_auth_method == "none"
    assert client.grant_types == {"authorization_code", "refresh_token"}
    assert (client.rights.direct, client.rights.roles, client.first_party) == (
        frozenset(),
        (),
        False,
    )
    assert client.audiences.keys() == {"my-os", "other-os"}  # never the issuer's own
    assert not deployment.services.tokens.directory.load_client(CLIENT)  # nothing is stored


@rows(
    ("hosts", "url"),
    [
        ([], CLIENT),
        (["other.example"], CLIENT),
        (["example"], CLIENT),
        (["app.example"], "https://app.example.evil.example/client.json"),
        (["app.example"], "https://evil.app.example/client.json"),
        (["app.example"], "https://app.example:8443/client.json"),
        (["*"], "https://app.example:8443/client.json"),
        (["*"], "https://APP.example/client.json"),
        (["*"], "https://app.example"),
        (["*"], "https://app.example/a/../client.json"),
        (["*"], "https://app.example/./client.json"),
        (["*"], "https://user@app.example/client.json"),
        (["*"], "https://app.example/client.json#a"),
        (["*"], "https://app.example:99999/client.json"),
        (["*"], "https://app.example/%2e%2e/client.json"),
        (["*"], "https://app.example/a/.%2E/client.json"),
        (["*"], "https://app.example/a%2f..%2fclient.json"),
        (["*"], "https://app.example:%/client.json"),
        (["*"], "https://app.example:\u0664\u0664/client.json"),
        (["*"], "https://app%2eexample/client.json"),
        (["*"], "https://app%/client.json"),
        (["*"], "https://\u00e4pp.example/client.json"),
        (["*"], "https://app.example/cl\u00efent.json"),
        (["*"], "https://[::1]/client.json"),
        (["*"], "https://[/client.json"),
    ],
)
def test_no_other_url_is_ever_fetched(deployment: Deployment, web: Web, hosts: list[str], url: str):
    assert documents_of(deployment, web, *hosts).find(url) is None
    assert web.asked == []


def test_a_port_can_be_allowed_by_name(deployment: Deployment, web: Web):
    url = "https://app.example:8443/client.json"
    web.publish(url)
    assert documents_of(deployment, web, "app.example:8443").find(url)


@rows(
    "members",
    [
        {"client_id": "https://app.example/other.json"},
        {"client_id": CLIENT + "/"},
        {"client_id": None},
        {"client_secret": "secret"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"redirect_uris": CALLBACK},
        {"redirect_uris": [CALLBACK, "javascript:alert(1)"]},
        {"redirect_uris": ["http://app.example/"]},
        {"redirect_uris": [CALLBACK, "ms-settings:callback"]},
        {"post_logout_redirect_uris": ["app:/goodbye"]},
        {"redirect_uris": [f"https://app.example/{n}" for n in range(51)]},
        {"grant_types": ["client_credentials"]},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"client_name": 1},
        {"client_name": "a" * 256},
        {"client_name": "App\u0000"},
    ],
)
def test_a_document_that_breaks_a_rule_is_no_client(members: dict[str, Any]):
    with pytest.raises(InvalidDocument):
        read_document(CLIENT, body(**members))


@rows(
    "text",
    [b"", b"[]", b"null", b"{", b"\xff", b"[" * 30_000, body()[:-1] + b', "client_id": "x"}'],
)
def test_a_document_that_is_not_one_json_object_is_no_client(text: bytes):
    with pytest.raises(InvalidDocument):
        read_document(CLIENT, text)


def test_a_document_cannot_ask_for_rights():
    asked = {"scope": "agent_os:admin", "scopes": ["agents:run"], "audiences": [URL]}
    fields = read_document(
        CLIENT,
        body(
            **asked,
            first_party=True,
            claims={"tenant": "a"},
            may_set_session=True,
            grant_types=["authorization_code", "client_credentials", "password"],
        ),
    )
    assert (fields.scopes, fields.audiences, fields.claims) == ([], [], {})
    assert (fields.first_party, fields.may_set_session) == (False, False)
    assert fields.grant_types == ["authorization_code"]


@rows(
    ("max_age", "kept"),
    {
        "unsaid": (None, 300),
        "zero": (0.0, 60),
        "ten minutes": (600.0, 600),
        "years": (10**8, 86_400),
    },
)
def test_a_document_is_cached_as_it_says_within_bounds(
    deployment: Deployment, web: Web, max_age: float | None, kept: int
):
    documents = documents_of(deployment, web, "*")
    web.asked.clear()
    web.publish(max_age=max_age)
    documents.find(CLIENT)
    deployment.clock.move(timedelta(seconds=kept - 1))
    documents.find(CLIENT)
    assert len(web.asked) == 1
    web.publish(redirect_uris=["https://app.example/new"])
    deployment.clock.move(timedelta(seconds=1))
    client = documents.find(CLIENT)
    assert client is not None
    assert client.redirect_uris == ("https://app.example/new",)


def test_a_failure_is_cached_for_a_minute(deployment: Deployment, web: Web):
    documents = documents_of(deployment, web, "*")
    assert documents.find(CLIENT) is None
    web.publish()
    assert documents.find(CLIENT) is None
    deployment.clock.move(timedelta(minutes=1))
    assert documents.find(CLIENT)


@pytest.mark.slow
def test_a_flood_of_urls_neither_floods_their_host_nor_the_internet(
    deployment: Deployment, web: Web
):
    documents = documents_of(deployment, web, "*")
    for number in range(100):
        documents.find(f"https://victim.example/{number}")
    assert len(web.asked) == 10
    for number in range(1_000):
        documents.find(f"https://host-{number}.example/client.json")
    assert len(web.asked) == 60
    deployment.clock.move(timedelta(minutes=1))
    web.publish()
    assert documents.find(CLIENT)


def test_a_stored_client_stays_known_for_a_day_while_its_document_cannot_be_fetched(
    deployment: Deployment, web: Web
):
    """Also in a process that has never fetched it; but nothing outlasts the answer of its host."""
    store(deployment)
    documents, started = (documents_of(deployment, web, "*") for _ in range(2))
    web.publish()
    assert documents.find(CLIENT)
    del web.documents[CLIENT]
    deployment.clock.move(timedelta(minutes=5))
    for each in (documents, started):
        client = each.find(CLIENT)
        assert client is not None
        assert client.redirect_uris == (CALLBACK,)
    web.publish(redirect_uris=[])
    deployment.clock.move(timedelta(minutes=1))
    assert started.find(CLIENT) is None
    del web.documents[CLIENT]
    deployment.clock.move(timedelta(hours=23, minutes=53))
    assert documents.find(CLIENT)
    assert started.find(CLIENT) is None
    deployment.clock.move(timedelta(minutes=1))
    assert documents.find(CLIENT) is None


def test_a_flood_of_urls_takes_no_fetch_from_a_stored_client(deployment: Deployment, web: Web):
    """Anybody can name URLs of its host."""
    store(deployment)
    documents = documents_of(deployment, web, "app.example")
    for number in range(100):
        documents.find(f"https://app.example/{number}")
    web.publish(redirect_uris=["https://app.example/new"])
    client = documents.find(CLIENT)
    assert client is not None
    assert client.redirect_uris == ("https://app.example/new",)


def test_a_stored_client_stays_known_beyond_the_limits(deployment: Deployment, web: Web):
    urls = [f"https://app.example/{number}.json" for number in range(11)]
    for url in urls:
        store(deployment, url)
        web.publish(url)
    documents = documents_of(deployment, web, "*")
    assert all(documents.find(url) for url in urls)
    assert len(web.asked) == 10


def test_of_requests_at_the_same_moment_one_fetches_the_document(deployment: Deployment):
    with ThreadPoolExecutor(1) as pool:

        class Slow(Web):
            def fetch(self, url: str) -> FetchedDocument:
                fetched = super().fetch(url)
                if len(self.asked) == 1:
                    others.append(pool.submit(documents.find, CLIENT))
                    wait(others, timeout=0.2)  # it may not end before this fetch does
                return fetched

        web, others = Slow(), list[Future[ClientRecord | None]]()
        web.publish()
        documents = documents_of(deployment, web, "*")
        assert documents.find(CLIENT)
        assert others[0].result()
    assert web.asked == [CLIENT]


def store(deployment: Deployment, url: str = CLIENT) -> None:
    """A person has allowed it something."""
    with deployment.changing() as work:
        work.clients.keep_document(read_document(url, body(url)))


def test_slow_names_that_anybody_chose_do_not_keep_stored_clients_waiting(deployment: Deployment):
    """Each cache has a fetcher of its own, with its own threads."""
    store(deployment)
    slow, go_on, asked = Semaphore(0), Event(), Event()

    def resolve(host: str, port: int) -> list[str]:
        if host == "app.example":
            asked.set()
        else:
            slow.release()
            go_on.wait()
        return []

    hosts, database = DocumentHosts(["*"]), deployment.services.database
    directory = Directory(database, deployment.clock, URL, hosts.accept)
    documents = ClientDocuments(
        directory, database, lambda: Fetcher(resolve), deployment.clock, hosts
    )
    deployment.clock.move(timedelta(hours=1))
    with ThreadPoolExecutor(MAX_AT_ONCE + 1) as pool:
        for number in range(MAX_AT_ONCE):
            pool.submit(documents.find, f"https://slow-{number}.example/client.json")
        assert all(slow.acquire(timeout=4) for _ in range(MAX_AT_ONCE))
        found = pool.submit(documents.find, CLIENT)
        was_asked = asked.wait(4)
        go_on.set()
        assert was_asked
        assert found.result()


def test_it_is_stored_when_a_person_allows_it_and_follows_its_document(
    deployment: Deployment, web: Web
):
    documents = documents_of(deployment, web, "app.example")
    web.publish()
    for uri in (CALLBACK, "https://app.example/new"):
        with deployment.changing() as work:
            stored = work.clients.keep_document(read_document(CLIENT, body(redirect_uris=[uri])))
        assert (stored.registered_by, stored.redirect_uris) == ("metadata", [uri])
    found = documents.find(CLIENT)
    assert found is not None
    assert found.redirect_uris == (CALLBACK,)  # as it is published now
    assert documents_of(deployment, web).find(CLIENT) is None  # the host is no longer allowed


def test_a_disabled_client_stays_disabled(deployment: Deployment, web: Web):
    fields = read_document(CLIENT, body())
    with deployment.changing() as work:
        work.clients.keep_document(fields)
        work.clients.update(CLIENT, {"disabled": True})
        assert work.clients.keep_document(fields).disabled
    web.publish()
    found = documents_of(deployment, web, "*").find(CLIENT)
    assert found is not None
    assert found.disabled


def test_a_pinned_document_is_never_fetched(deployment: Deployment, web: Web):
    with deployment.changing() as work:
        work.clients.keep_document(read_document(CLIENT, body()), pinned=True)
    found = documents_of(deployment, web).find(CLIENT)
    assert found is not None
    assert (found.redirect_uris, web.asked) == ((CALLBACK,), [])


def test_a_document_cannot_take_the_place_of_a_client_or_an_audience(deployment: Deployment):
    deployment.client(CLIENT)
    with pytest.raises(AlreadyExists), deployment.changing() as work:
        work.clients.keep_document(read_document(CLIENT, body()))
    audience = "https://os.example/mcp"
    deployment.audience(audience)
    with pytest.raises(AlreadyExists), deployment.changing() as work:
        work.clients.keep_document(read_document(audience, body(audience)))


@pytest.fixture
def self_registered(deployment: Deployment) -> dict[RegisteredBy, str]:
    """The ids of clients that registered themselves, in either way."""
    ids = {RegisteredBy.METADATA: "by-metadata", RegisteredBy.REGISTRATION: "by-registration"}
    with deployment.changing() as work:
        for by, client_id in ids.items():
            fields = read_document(CLIENT, body()).model_copy(update={"client_id": client_id})
            work.clients.register(fields, by)
    return ids


@rows(
    "patch",
    [
        {"scopes": ["agents:run"]},
        {"audiences": ["my-os"]},
        {"audiences": [URL]},
        {"claims": {"tenant": "a"}},
        {"may_set_session": True},
        {"first_party": True},
        {"user_rights": "own"},
        {"grant_types": ["authorization_code", "client_credentials"]},
        {"grant_types": ["password"]},
        {"registered_by": "admin"},
    ],
)
@rows("by", [RegisteredBy.METADATA, RegisteredBy.REGISTRATION])
def test_nobody_can_give_rights_to_a_client_that_registered_itself(
    deployment: Deployment,
    self_registered: dict[RegisteredBy, str],
    patch: dict[str, object],
    by: RegisteredBy,
):
    with pytest.raises(InvalidField), deployment.changing() as work:
        work.clients.update(self_registered[by], patch)


def test_a_client_that_registered_itself_can_have_no_role(deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    with deployment.changing() as work:
        work.clients.keep_document(read_document(CLIENT, body()))
    for audience in ("my-os", None):
        with pytest.raises(NotAllowed, match="registered itself"), deployment.changing() as work:
            work.assignments.assign(CLIENT, Assignment(role="runner", audience=audience))
