"""What revokes a token revokes everything that was exchanged for it, in any number of steps."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event, func, select

from issuer.composition import UnitOfWork, compose
from issuer.composition.background import delete_expired
from issuer.database.tables import ExchangedTokenRow
from issuer.revocations import Revocations
from issuer.revocations.revocations import FeedFull
from issuer.revocations.share import FeedLimits
from issuer.revocations.store import UNLISTED, ExchangedToken, RevocationStore
from issuer.roles import Assignment
from issuer.users.passwords import Passwords
from issuer.vocabulary import MAX_CLOCK_SKEW, TOKEN_RETENTION
from tests.builders import OPERATOR, Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import SCOPES, Actors, actors, exchange
from tests.oauth.refreshing import events
from tests.revocations.feed import Feed
from tests.sign_in.authorizing import CALLBACK, App, sign_in

# alice's token for my-os, and what agent, archivist and keeper got for it one after the other.
T, FIRST, SECOND, THIRD = range(4)
ALL, NONE = {T, FIRST, SECOND, THIRD}, set()

Change = Callable[[UnitOfWork, Actors, list[str]], object]


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


def set_password(work: UnitOfWork, acting: Actors, _: list[str]) -> None:
    work.users.set_password(acting.user_id, Passwords("owasp").prepared("another one!"))


def promote_the_user(work: UnitOfWork, acting: Actors, _: list[str]) -> None:
    work.assignments.assign(acting.user_id, Assignment(role="admins"))


CHANGES: dict[str, tuple[Change, set[int]]] = {
    "the first token": (lambda work, _, t: work.token_revocations.revoke(t[T]), ALL),
    "one that was exchanged": (lambda work, _, t: work.token_revocations.revoke(t[SECOND]), {2, 3}),
    "the last one": (lambda work, _, t: work.token_revocations.revoke(t[THIRD]), {3}),
    "tokens of the user": (lambda work, a, _: work.users.revoke_tokens(a.user_id), ALL),
    "user disabled": (lambda work, a, _: work.users.update(a.user_id, {"disabled": True}), ALL),
    "user deleted": (lambda work, a, _: work.users.delete(a.user_id), ALL),
    "user gets rights at the issuer": (promote_the_user, ALL),
    "password changed": (set_password, ALL),
    "client disabled": (lambda work, *_: work.clients.update("app", {"disabled": True}), ALL),
    "client deleted": (lambda work, *_: work.clients.delete("app"), ALL),
    "tokens of the client": (lambda work, *_: work.clients.revoke_tokens("app"), ALL),
    "first actor disabled": (
        lambda work, *_: work.clients.update("agent", {"disabled": True}),
        {1, 2, 3},
    ),
    "second actor deleted": (lambda work, *_: work.clients.delete("archivist"), {2, 3}),
    "rule of the first actor": (
        lambda work, *_: work.clients.update("agent", {"may_act": []}),
        {1, 2, 3},
    ),
    "audience of the first token": (
        lambda work, *_: work.revocations.revoke_audience("my-os"),
        ALL,
    ),
    "audience on the way": (
        lambda work, *_: work.audiences.delete("archive", cascade=True),
        {1, 2, 3},
    ),
    "the user renamed": (lambda work, a, _: work.users.update(a.user_id, {"name": "A."}), NONE),
    "another client": (lambda work, *_: work.clients.revoke_tokens("other"), NONE),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_revocation_reaches_all_that_was_exchanged(acting: Actors, what: str):
    acting.deployment.client("other")
    acting.deployment.role("admins", ["issuer:admin"])
    first = acting.sign_in().token
    others = acting.sign_in().token
    tokens, unrelated = [first, *acting.chain(first)], acting.by_agent(others).token
    change, revoked = CHANGES[what]
    with acting.deployment.changing() as work:
        change(work, acting, tokens)
    assert {n for n, token in enumerate(tokens) if not acting.accepted(token)} == revoked
    if what in {"the first token", "one that was exchanged", "the last one"}:
        assert acting.accepted(unrelated)


def test_clients_revoke_what_they_got_with_all_that_followed(acting: Actors):
    """RFC 7009: the client of the first token, and a client that got one by exchange."""
    first = acting.sign_in().token
    chain = acting.chain(first)
    assert acting.endpoint.revoke(acting.agent, chain[0]).status_code == 200
    assert [acting.accepted(each) for each in [first, *chain]] == [True, False, False, False]
    again = acting.chain(first)
    assert acting.endpoint.revoke(acting.app, first).status_code == 200
    assert not any(acting.accepted(each) for each in [first, *again])


def test_the_end_of_a_refresh_family_is_one_entry_for_all(acting: Actors):
    """They have the `sid` of the subject token."""
    signed_in = acting.sign_in()
    chain = acting.chain(signed_in.token)
    acting.endpoint.revoke(acting.app, signed_in.refresh_token)
    assert not any(acting.accepted(each) for each in [signed_in.token, *chain])
    revoked = Feed.of(acting.deployment.http).revoked
    assert (len(revoked["sid"]), len(revoked["jti"])) == (1, 0)


def test_the_end_of_a_session_ends_what_was_exchanged(acting: Actors):
    app = acting.deployment.client(
        "web",
        scopes=SCOPES,
        grant_types=["authorization_code"],
        redirect_uris=[CALLBACK],
        first_party=True,
    )
    person = sign_in(acting.deployment, acting.user_id)
    token = person.signs_in_to(App(acting.endpoint, app)).token
    chain = acting.chain(token)
    with acting.deployment.changing() as work:
        work.sessions.end(acting.user_id, person.session.id)
    assert not any(acting.accepted(each) for each in [token, *chain])


def test_a_code_that_is_used_again_ends_what_was_exchanged(acting: Actors):
    client = acting.deployment.client(
        "web",
        scopes=SCOPES,
        grant_types=["authorization_code"],
        redirect_uris=[CALLBACK],
        first_party=True,
    )
    app = App(acting.endpoint, client)
    code = sign_in(acting.deployment, acting.user_id).allows(app)
    token = app.redeem(code).token
    chain = acting.chain(token)
    assert app.redeem(code).error == "invalid_grant"
    assert not any(acting.accepted(each) for each in [token, *chain])


def test_withdrawing_a_consent_ends_what_the_client_got_by_exchange(acting: Actors):
    """A person also allows a client that acts with tokens of others: ending that ends both."""
    rules = {"redirect_uris": [CALLBACK], "audiences": ["archive"]}
    acting.change(acting.agent, grant_types=["authorization_code", *_grants(acting)], **rules)
    person = sign_in(acting.deployment, acting.user_id)
    person.signs_in_to(App(acting.endpoint, acting.agent))
    first = acting.sign_in().token
    chain = acting.chain(first)
    with acting.deployment.changing() as work:
        work.consents.withdraw(acting.user_id, "agent")
    assert [acting.accepted(each) for each in [first, *chain]] == [True, False, False, False]


def _grants(acting: Actors) -> list[str]:
    with acting.deployment.changing() as work:
        return [*work.clients.get("agent").grant_types]


@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,EdDSA"}])
def test_a_revoked_key_ends_what_was_exchanged_for_its_tokens(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Whoever has the private key may have made the subject token."""
    acting = actors(deployment, token_endpoint)
    with deployment.changing() as work:
        work.audiences.update("archive", {"signing_alg": "EdDSA"})
    deployment.wait(timedelta(days=2))
    first = acting.sign_in().token
    exchanged = acting.by_agent(first)
    header, _ = token_endpoint.read(exchanged)
    assert header["alg"] == "EdDSA"
    with deployment.changing() as work:
        work.token_revocations.revoke_key(deployment.services.keys.keyring.active("ES256").kid)
    assert not acting.accepted(exchanged.token)


def test_another_process_and_a_later_one_revoke_as_well(acting: Actors):
    """What was exchanged is in the database, not in the memory of a process."""
    first = acting.sign_in().token
    chain = acting.chain(first)
    later = compose(acting.deployment.services.settings, acting.deployment.clock)
    later.keys.keyring.reconcile()
    with later.administration.changing(OPERATOR) as work:
        work.token_revocations.revoke(chain[0])
    later.database.dispose()
    acting.deployment.services.tokens.changes.poll()
    assert [acting.accepted(each) for each in [first, *chain]] == [True, False, False, False]


def test_beyond_the_share_of_a_client_all_tokens_of_the_user_are_revoked(acting: Actors):
    first = acting.sign_in().token
    exchanged = [acting.by_agent(first).token for _ in range(3)]
    claims = acting.deployment.services.tokens.any_reader.read(first)
    with acting.deployment.services.database.changing() as session:
        limited = Revocations(session, acting.deployment.clock, limits=FeedLimits(tokens=8))
        limited.revoke_tokens({claims.jti: claims.expires_at})
    acting.deployment.services.tokens.changes.poll()
    assert not any(acting.accepted(each) for each in [first, *exchanged])
    revoked = Feed.of(acting.deployment.http).revoked
    assert revoked["jti"].keys() == {claims.jti}
    assert revoked["sub"].keys() == {acting.user_id}


def test_if_there_is_no_space_for_that_either_nothing_is_revoked(acting: Actors):
    """The caller is told, as for a token that cannot be listed itself."""
    first = acting.sign_in().token
    acting.by_agent(first)
    acting.by_agent(first)
    claims = acting.deployment.services.tokens.any_reader.read(first)
    limits = FeedLimits(tokens=8, principal_bytes=0)
    database, clock = acting.deployment.services.database, acting.deployment.clock
    with pytest.raises(FeedFull), database.changing() as session:
        Revocations(session, clock, limits=limits).revoke_tokens({claims.jti: claims.expires_at})
    acting.deployment.services.tokens.changes.poll()
    assert acting.accepted(first)


def limited(acting: Actors, revoke: Callable[[Revocations], object], **limits: int) -> object:
    """Revoke in a transaction of its own, with those limits of the feed."""
    deployment = acting.deployment
    with deployment.services.database.changing() as session:
        revoked = revoke(Revocations(session, deployment.clock, limits=FeedLimits(**limits)))
    deployment.services.tokens.changes.poll()
    return revoked


OF_MANY: dict[str, tuple[Callable[[Revocations, str], object], set[str]]] = {
    "a client": (lambda revocations, _: revocations.revoke_client("app"), {"app"}),
    "an audience": (lambda revocations, _: revocations.revoke_audience("my-os"), set()),
    "a key": (lambda revocations, kid: revocations.revoke_exchanged_under(kid), set()),
}


@pytest.mark.parametrize("what", OF_MANY)
def test_beyond_the_share_all_tokens_of_the_clients_that_got_them_are_revoked(
    acting: Actors, what: str
):
    """One entry for each client, not for each user. With what was exchanged for those tokens."""
    acting.deployment.user("bob", roles=["runner"])
    revoke, named = OF_MANY[what]
    alice, bob = acting.sign_in(), acting.endpoint.password(acting.app, "bob")
    exchanged = [*acting.chain(alice.token), *acting.chain(bob.token)]
    header, _ = acting.endpoint.read(alice)
    limited(acting, lambda revocations: revoke(revocations, header["kid"]), tokens=8)
    assert not any(acting.accepted(each) for each in exchanged)
    revoked = Feed.of(acting.deployment.http).revoked
    assert revoked["client_id"].keys() == {"agent", "archivist", "keeper"} | named
    assert (revoked["jti"], revoked["sub"]) == ({}, {})
    with acting.deployment.services.database.reading() as session:
        entries = [each for each in RevocationStore(session).entries() if each.kind == "client_id"]
    # None was exchanged for the issuer itself: its own tokens for the others stay.
    assert {each.id for each in entries if each.own_until > UNLISTED} == named


def test_a_client_can_be_disabled_although_the_feed_has_no_space_for_what_was_exchanged(
    acting: Actors,
):
    """The audit log names those whose tokens stay valid."""
    first = acting.sign_in().token
    chain = acting.chain(first)
    with acting.deployment.changing() as work:
        work.revocations._limits = FeedLimits(tokens=8, principal_bytes=24)
        work.clients.update("app", {"disabled": True})
        assert work.revocations.warning.endswith("until it expires: agent, archivist, keeper.")
    assert [acting.accepted(each) for each in [first, *chain]] == [False, True, True, True]
    noted = events(acting.deployment, "token.revoked")
    assert [each.target for each in noted] == ["agent", "archivist", "keeper"]
    assert not any(each.details["access_tokens_revoked"] for each in noted)


def test_no_more_are_read_than_may_be_listed(acting: Actors):
    first = acting.sign_in().token
    for each in (first, first):
        acting.chain(each)
    jti = acting.deployment.services.tokens.any_reader.read(first).jti
    with acting.deployment.services.database.reading() as session:
        store = RevocationStore(session)
        asked: list[Callable[[int], list[ExchangedToken] | None]] = [
            partial(store.exchanged_for, [jti]),
            partial(store.exchanged_for_any, "client_id", "app"),
            partial(store.exchanged_through, acting.user_id, "agent"),
        ]
        for tokens in asked:
            assert len(tokens(6) or ()) == 6
            assert tokens(5) is None


def test_a_user_does_not_use_up_the_share_of_others_at_the_client_that_acts(acting: Actors):
    """An application could do so with its own user, and would end all tokens of others."""
    acting.deployment.user("bob", roles=["runner"])
    read = acting.deployment.services.tokens.any_reader.read

    def revoke(token: str) -> object:
        claims = read(token)
        whose = {"client_id": claims.client_id, "subject": claims.subject}
        return limited(
            acting,
            lambda feed: feed.revoke_own_token(claims.jti, claims.expires_at, **whose),
            tokens=200,
        )

    first = acting.sign_in().token
    exchanged = [acting.by_agent(first).token for _ in range(40)]
    assert not revoke(first), "the audit event says that others were revoked, too"
    assert not any(acting.accepted(each) for each in exchanged)
    bob, other = (acting.endpoint.password(acting.app, "bob").token for _ in range(2))
    exchanged = [acting.by_agent(bob).token for _ in range(4)]
    assert revoke(bob)
    assert not any(acting.accepted(each) for each in [bob, *exchanged])
    assert acting.accepted(other)
    assert Feed.of(acting.deployment.http).revoked["sub"].keys() == {acting.user_id}


def test_what_was_exchanged_is_listed_once_however_long_that_takes(acting: Actors):
    """What the client gets meanwhile is revoked: its entry has the time of the end."""
    acting.by_agent(acting.sign_in().token)
    deployment, listed = acting.deployment, []

    def take_long(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO revoked_tokens" in statement:
            listed.append(deployment.clock())
            deployment.clock.move(timedelta(seconds=5))

    engine = deployment.services.database.engine
    event.listen(engine, "before_cursor_execute", take_long)
    with deployment.changing() as work:
        work.clients.revoke_tokens("app")
    event.remove(engine, "before_cursor_execute", take_long)
    assert len(listed) == 1
    assert not work.revocations.missed_by_slow_commit()


def test_after_a_slow_commit_what_was_exchanged_for_later_tokens_is_revoked(acting: Actors):
    """The client got these until the commit, so they were exchanged after it."""
    deployment = acting.deployment
    earlier = acting.by_agent(acting.sign_in().token).token
    with deployment.services.database.changing() as session:
        first = Revocations(session, deployment.clock)
        first.revoke_client("app")
    deployment.wait(timedelta(seconds=5))
    later = acting.sign_in().token
    chain = acting.chain(later)
    limited(acting, lambda revocations: revocations.revoke_again(first.missed_by_slow_commit()))
    assert not any(acting.accepted(each) for each in [earlier, later, *chain])
    assert len(Feed.of(deployment.http).revoked["jti"]) == 4


def test_what_was_exchanged_counts_for_the_client_that_got_it(acting: Actors):
    """Not for the client that revokes: others must not use up its share of the feed."""
    first = acting.sign_in().token
    acting.by_agent(first)
    acting.endpoint.revoke(acting.app, first)
    with acting.deployment.services.database.reading() as session:
        store = Revocations(session, acting.deployment.clock)._store
        listed = [store.listed_for(each, "").of_client for each in ("app", "agent")]
    assert listed == [1, 1]


def test_exchanged_tokens_are_deleted_once_no_verifier_accepts_them(acting: Actors):
    acting.by_agent(acting.sign_in().token)
    for wait, left in ((timedelta(seconds=900), 1), (TOKEN_RETENTION + MAX_CLOCK_SKEW, 0)):
        acting.deployment.wait(wait)
        services = acting.deployment.services
        delete_expired(services.foundation, services.tokens, services.people)
        assert stored(acting.deployment) == left


def test_a_token_that_was_exchanged_by_a_chain_nobody_knows_is_not_usable(acting: Actors):
    """As after a restore of an older backup: its consent cannot be checked."""
    token = acting.by_agent(acting.sign_in().token).token
    with acting.deployment.services.database.changing() as session:
        session.query(ExchangedTokenRow).delete()
    answer = exchange(acting.endpoint, acting.archivist, token)
    assert (answer.status, answer.error) == (400, "invalid_request")


def stored(deployment: Deployment) -> int:
    with deployment.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(ExchangedTokenRow))
