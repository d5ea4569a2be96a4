"""The changes that revoke tokens, in the transaction of the change."""

from collections.abc import Callable
from random import Random

import pytest

from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.refresh_tokens.family import RefreshTokenMaker
from tests.builders import PASSWORD, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.revocations.feed import Feed
from tests.rows import rows

Change = Callable[[UnitOfWork], object]


@pytest.fixture
def web(deployment: Deployment) -> Credentials:
    return deployment.client("web", grant_types=["client_credentials", "password"])


def tokens_of_web_and_alice(
    token_endpoint: TokenDriver, deployment: Deployment, web: Credentials
) -> tuple[str, str]:
    deployment.user("alice", id="alice")
    return (
        token_endpoint.client_credentials(web).token,
        token_endpoint.password(web, "alice").token,
    )


def refused_after(deployment: Deployment, change: Change, *tokens: str) -> list[bool]:
    with deployment.changing() as work:
        change(work)
    feed = Feed.of(deployment.http)
    return [feed.refuses(token) for token in tokens]


CHANGES: dict[str, tuple[Change, list[bool]]] = {
    "client disabled": (lambda work: work.clients.update("web", {"disabled": True}), [True] * 2),
    "client deleted": (lambda work: work.clients.delete("web"), [True] * 2),
    "client revoked": (lambda work: work.clients.revoke_tokens("web"), [True] * 2),
    "user disabled": (lambda work: work.users.update("alice", {"disabled": True}), [False, True]),
    "user deleted": (lambda work: work.users.delete("alice"), [False, True]),
    "user revoked": (lambda work: work.users.revoke_tokens("alice"), [False, True]),
    "audience deleted": (
        lambda work: work.audiences.delete("my-os", cascade=True),
        [True] * 2,
    ),
    "another audience deleted": (lambda work: work.audiences.delete("other-os"), [False] * 2),
    "audience renamed": (lambda work: work.audiences.update("my-os", {"name": "O"}), [False] * 2),
    "audience removed": (
        lambda work: work.clients.update("web", {"audiences": []}),
        [True] * 2,
    ),
    "client renamed": (lambda work: work.clients.update("web", {"name": "Web"}), [False] * 2),
    "user renamed": (lambda work: work.users.update("alice", {"name": "A."}), [False] * 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_revokes_the_tokens_it_concerns(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, change: str
):
    deployment.audience("other-os")
    tokens = tokens_of_web_and_alice(token_endpoint, deployment, web)
    do, refused = CHANGES[change]
    assert refused_after(deployment, do, *tokens) == refused


def test_a_password_change_revokes_the_tokens_of_the_user(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials
):
    tokens = tokens_of_web_and_alice(token_endpoint, deployment, web)
    prepared = deployment.services.sign_in.passwords.prepared(PASSWORD + "!")
    set_it: Change = lambda work: work.users.set_password("alice", prepared)  # noqa: E731
    assert refused_after(deployment, set_it, *tokens) == [False, True]


def test_a_first_password_revokes_nothing(deployment: Deployment):
    deployment.user("alice", id="alice")
    assert Feed.of(deployment.http).revoked["sub"] == {}


@pytest.mark.parametrize("and_its_tokens", [True, False])
def test_deleting_a_secret_can_revoke_its_tokens(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, and_its_tokens: bool
):
    tokens = tokens_of_web_and_alice(token_endpoint, deployment, web)
    secret = deployment.services.tokens.directory.load_client("web").secrets[0].id
    end: Change = lambda work: work.clients.delete_secret(  # noqa: E731
        "web", secret, and_its_tokens=and_its_tokens
    )
    assert refused_after(deployment, end, *tokens) == [and_its_tokens] * 2


def test_deleting_a_role_revokes_no_token(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials
):
    """The next token lacks it; the last one expires within minutes."""
    deployment.role("runner", ["agents:run"])
    tokens = tokens_of_web_and_alice(token_endpoint, deployment, web)
    delete: Change = lambda work: work.roles.delete("runner", cascade=True)  # noqa: E731
    assert refused_after(deployment, delete, *tokens) == [False] * 2


def test_tokens_of_a_deleted_client_stay_revoked_when_its_id_is_reused(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials
):
    """Tokens of the new client are valid."""
    old = token_endpoint.client_credentials(web).token
    with deployment.changing() as work:
        work.clients.delete("web")
    new = token_endpoint.client_credentials(deployment.client("web")).token
    feed = Feed.of(deployment.http)
    assert [feed.refuses(token) for token in (old, new)] == [True, False]


def test_revoking_one_token_revokes_no_other(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials
):
    first, second = (token_endpoint.client_credentials(web).token for _ in range(2))
    revoke: Change = lambda work: work.token_revocations.revoke(first)  # noqa: E731
    assert refused_after(deployment, revoke, first, second) == [True, False]
    assert refused_after(deployment, revoke, first, second) == [True, False]


def test_a_token_can_be_revoked_by_its_jti(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials
):
    answer = token_endpoint.client_credentials(web)
    jti = token_endpoint.claims(answer)["jti"]
    revoke: Change = lambda work: work.token_revocations.revoke_unverified(jti)  # noqa: E731
    assert refused_after(deployment, revoke, answer.token) == [True]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_of_another_issuer_is_not_revoked(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, part: int
):
    """Otherwise a client could fill the feed with invalid tokens."""
    parts = token_endpoint.client_credentials(web).token.split(".")
    parts[part] = parts[part][:4] + ("A" if parts[part][4] != "A" else "B") + parts[part][5:]
    with pytest.raises(InvalidField, match="token"), deployment.changing() as work:
        work.token_revocations.revoke(".".join(parts))
    assert Feed.of(deployment.http).revoked["jti"] == {}


@rows("jti", ["", "a b", "é", "a" * 33, "A" * 32, "a" * 32 + "\n", "a\0"])
def test_a_malformed_jti_is_refused(deployment: Deployment, jti: str):
    with pytest.raises(InvalidField, match="jti"), deployment.changing() as work:
        work.token_revocations.revoke_unverified(jti)


def test_a_secret_sent_as_jti_is_not_published(deployment: Deployment):
    """The public feed and the audit log would contain it."""
    secret = deployment.client().client_secret
    refresh_token = RefreshTokenMaker(b"key", Random(1)).first()
    for text in (secret, refresh_token):
        with pytest.raises(InvalidField, match="jti"), deployment.changing() as work:
            work.token_revocations.revoke_unverified(text)
    assert Feed.of(deployment.http).revoked["jti"] == {}
