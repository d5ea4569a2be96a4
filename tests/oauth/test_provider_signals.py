"""Who leaves at a trusted issuer is out here: each way ends everything, and nothing else does."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from issuer.audit import Actor
from issuer.composition import Administration, compose
from issuer.errors import UsedBefore
from issuer.roles import Assignment
from issuer.sign_in.departures import ProviderSignal
from issuer.sign_in.provider_claims import provider_claims
from issuer.users.provisioned import ProvisionedFields
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import Person
from tests.sign_in.authorizing import sign_in as begin_session
from tests.sign_in.fake_provider import COMPANY, SUBJECT, FakeProvider
from tests.sign_in.signals import (
    ADDRESS,
    ALICE,
    CHANGED,
    CREDENTIAL_CHANGE,
    DISABLED,
    ENABLED,
    PURGED,
    REVOCATION,
    SECEVENT,
    SESSION_REVOKED,
    VERIFICATION,
    Signaller,
    SignedInEverywhere,
    session_at,
)
from tests.trusting import OtherIssuer

OPAQUE = {"format": "opaque", "id": SUBJECT}
EMAIL = {"format": "email", "email": ADDRESS}
COMPLEX = {"format": "complex", "user": ALICE, "tenant": {"format": "opaque", "id": "t"}}
GOOGLE = {"subject_type": "iss-sub", "iss": COMPANY, "sub": SUBJECT}


@pytest.fixture
def sender(deployment: Deployment) -> Signaller:
    return Signaller(FakeProvider.trusted(deployment))


@pytest.fixture
def alice_id(deployment: Deployment, sender: Signaller) -> str:
    """Alice, who has an account there and her address from there."""
    deployment.role("runner", ["agents:run", "sessions:read"])
    user_id = deployment.user("alice", roles=["runner"], email=ADDRESS, email_verified=True)
    sender.provider.link(user_id)
    return user_id


@pytest.fixture
def alice_everywhere(
    deployment: Deployment, token_endpoint: TokenDriver, alice_id: str
) -> SignedInEverywhere:
    return SignedInEverywhere.at(deployment, token_endpoint, alice_id)


def event(name: str, **changed: Any) -> Callable[[Signaller], httpx.Response]:
    return lambda sender: sender.sends(sender.security_event(name, **changed))


def revocation(**sub_id: Any) -> Callable[[Signaller], httpx.Response]:
    return lambda sender: sender.revokes(sender.bearer(), sub_id=sub_id)


WAYS: dict[str, Callable[[Signaller], httpx.Response]] = {
    "back-channel logout by sub": lambda sender: sender.logs_out(sender.logout_token()),
    "session-revoked": event(SESSION_REVOKED),
    "session-revoked for our URL": event(SESSION_REVOKED, aud=[URL]),
    "an opaque subject": event(SESSION_REVOKED, sub_id=OPAQUE),
    "an address": event(SESSION_REVOKED, sub_id=EMAIL),
    "a complex subject": event(SESSION_REVOKED, sub_id=COMPLEX),
    "all sessions, as Keycloak names them": event(
        SESSION_REVOKED, sub_id={**COMPLEX, "session": {"format": "opaque", "id": "ALL"}}
    ),
    "a subject in the event": event(SESSION_REVOKED, sub_id=None, details={"subject": ALICE}),
    "as Google names people": event(DISABLED, sub_id=None, details={"subject": GOOGLE}),
    "a changed credential": event(CREDENTIAL_CHANGE, details={"change_type": "update"}),
    "account-disabled": event(DISABLED),
    "account-purged": event(PURGED),
    "Universal Logout": revocation(**ALICE),
    "Universal Logout by address": revocation(**EMAIL),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_ends_everything(
    alice_everywhere: SignedInEverywhere, sender: Signaller, way: str
):
    """Sessions of any kind, refresh tokens, codes, tokens, exchanged ones, ID-JAGs."""
    answer = WAYS[way](sender)
    assert answer.is_success, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert alice_everywhere.what_goes_on() == set()


def test_nothing_ends_before(alice_everywhere: SignedInEverywhere):
    """What the test above relies on."""
    assert alice_everywhere.what_goes_on() == {
        *("session", "session there", "access token", "exchanged token", "code", "device code"),
        *("ID-JAG", "refresh token"),
    }


def disable(deployment: Deployment, user_id: str) -> None:
    with deployment.changing() as work:
        work.users.update(user_id, {"disabled": True})


def delete(deployment: Deployment, user_id: str) -> None:
    with deployment.changing() as work:
        work.users.delete(user_id, cascade=True)


def by_scim(deployment: Deployment, user_id: str) -> None:
    with deployment.changing() as work:
        work.provisioned_users.update(user_id, {"disabled": True})


@pytest.mark.parametrize("end", [disable, delete, by_scim])
def test_disabling_and_deleting_end_everything_as_well(
    alice_everywhere: SignedInEverywhere, alice_id: str, end: Callable[[Deployment, str], None]
):
    end(alice_everywhere.deployment, alice_id)
    assert alice_everywhere.what_goes_on() == set()


def test_a_person_with_rights_here_is_signed_out_too(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    deployment.role("boss", ["issuer:admin"])
    with deployment.changing() as work:
        work.assignments.assign(alice_id, Assignment(role="boss", audience=URL))
    person = begin_session(deployment, alice_id)
    assert sender.sends(sender.security_event()).status_code == httpx.codes.ACCEPTED
    assert not is_signed_in(person)


def is_signed_in(person: Person) -> bool:
    return person.deployment.services.people.sessions.find(person.cookie) is not None


ONE_SESSION = {
    "front-channel logout": lambda sender: sender.frames(iss=COMPANY, sid="there-1"),
    "back-channel logout by sid": lambda sender: sender.logs_out(
        sender.logout_token(sub=None, sid="there-1")
    ),
    "back-channel logout by both": lambda sender: sender.logs_out(
        sender.logout_token(sid="there-1")
    ),
    "a session of CAEP": event(
        SESSION_REVOKED,
        sub_id={"format": "complex", "session": {"format": "opaque", "id": "there-1"}},
    ),
    "a session of a user": event(
        SESSION_REVOKED, sub_id={**COMPLEX, "session": {"format": "opaque", "id": "there-1"}}
    ),
}


@pytest.mark.parametrize("way", ONE_SESSION)
def test_a_session_there_ends_what_began_in_it_and_nothing_else(
    deployment: Deployment,
    sender: Signaller,
    alice_id: str,
    token_endpoint: TokenDriver,
    way: str,
):
    everywhere = SignedInEverywhere.at(deployment, token_endpoint, alice_id)
    other = session_at(deployment, alice_id, "there-2")
    assert ONE_SESSION[way](sender).is_success
    assert is_signed_in(other)
    is_a_security_event = "of" in way.split()
    kept = set() if is_a_security_event else {"access token", "exchanged token", "refresh token"}
    assert everywhere.what_goes_on() == {"session", *kept}


@rows("event_name", [SESSION_REVOKED, CREDENTIAL_CHANGE, PURGED, DISABLED])
def test_people_who_are_not_known_here_are_no_error_of_the_transmitter(
    shared: Deployment, event_name: str
):
    sender = honest(shared)
    unknown = {**ALICE, "sub": "nobody"}
    answer = sender.sends(sender.security_event(event_name, sub_id=unknown))
    assert (answer.status_code, answer.content) == (httpx.codes.ACCEPTED, b"")


def honest(shared: Deployment) -> Signaller:
    """Trusted once in the deployment, with alice."""
    providers = shared.services.provider_sign_in._providers
    if isinstance(providers._fetcher, FakeProvider):
        known = FakeProvider(shared, providers._fetcher.other)
    else:
        known = FakeProvider.trusted(shared)
        known.link(shared.user("alice", email=ADDRESS, email_verified=True))
        shared.user("bob", email="bob@company.example", email_verified=True)
    shared.wait(timedelta(minutes=1))
    return Signaller(known)


NAMES_NOBODY: dict[str, dict[str, Any]] = {
    "the address of somebody without an account there": {**EMAIL, "email": "bob@company.example"},
    "another sub": {**OPAQUE, "id": "other"},
    "a phone number": {"format": "phone_number", "phone_number": "+12065550100"},
    "an unknown format": {"format": "new"},
    "nothing complex": {"format": "complex", "device": OPAQUE},
}


@rows("sub_id", NAMES_NOBODY)
def test_nobody_is_signed_out_by_an_address_or_a_name_alone(
    shared: Deployment, sub_id: dict[str, Any]
):
    sender = honest(shared)
    people = [begin_session(shared, user_of(shared, name)) for name in ("alice", "bob")]
    assert sender.sends(sender.security_event(sub_id=sub_id)).status_code == httpx.codes.ACCEPTED
    assert sender.revokes(sender.bearer(), sub_id=sub_id).status_code in {400, 404}
    assert all(map(is_signed_in, people))


def user_of(shared: Deployment, name: str) -> str:
    with shared.services.administration.reading() as work:
        return work.users.get_by_username(name).id


def test_an_address_that_two_people_have_names_nobody(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    other = deployment.user("alice2", email=ADDRESS, email_verified=True)
    sender.provider.link(other, "other")
    person = begin_session(deployment, alice_id)
    assert sender.sends(sender.security_event(sub_id=EMAIL)).status_code == httpx.codes.ACCEPTED
    assert is_signed_in(person)


def test_an_address_that_is_not_verified_names_nobody(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    with deployment.changing() as work:
        work.users.update(alice_id, {"email_verified": False})
    person = begin_session(deployment, alice_id)
    assert sender.sends(sender.security_event(sub_id=EMAIL)).status_code == httpx.codes.ACCEPTED
    assert sender.revokes(sender.bearer(), sub_id=EMAIL).status_code == httpx.codes.NOT_FOUND
    assert is_signed_in(person)


# Forged, replayed and misdirected.


def at(seconds: int) -> Callable[[Signaller], int]:
    return lambda sender: int(sender.provider.deployment.clock().timestamp()) + seconds


def claims_of(sender: Signaller, claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value(sender) if callable(value) else value for name, value in claims.items()}


WRONG_COMMON: dict[str, dict[str, Any]] = {
    "an issuer that is not trusted": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "an issuer that is nearly the same": {"iss": f"{COMPANY}/"},
    "another audience": {"aud": "other"},
    "an audience in another case": {"aud": URL.upper()},
    "no audience": {"aud": None},
    "an empty audience": {"aud": []},
    "audiences that are no texts": {"aud": [None, 7]},
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "a jti that is too long": {"jti": "j" * 256},
    "a jti that is a number": {"jti": 7},
    "no iat": {"iat": None},
    "an iat that is a text": {"iat": "now"},
    "an iat in the future": {"iat": at(60)},
    "an unknown key": {"header": {"kid": "other"}},
    "a critical extension": {"header": {"crit": ["exp"]}},
    **{
        f"typ {typ}": {"header": {"typ": typ}}
        for typ in (
            *("JWT", "at+jwt", "logout+jwt", "oauth-id-jag+jwt", "dpop+jwt", "application/jwt"),
            *("client-authentication+jwt", "revocations+jwt", None, 7, ""),
        )
    },
}
WRONG_EVENTS: dict[str, dict[str, Any]] = {
    **WRONG_COMMON,
    "our client at another issuer": {"aud": "Issuer"},
    "the endpoint as audience": {"aud": f"{URL}/oauth2/security-events"},
    "older than seven days": {"iat": at(-7 * 86_400 - 60)},
    "the token of a revocation": {"header": {"typ": "global-token-revocation+jwt"}},
    "no events": {"events": None},
    "events that are a list": {"events": [SESSION_REVOKED]},
    "events that are empty": {"events": {}},
    "too many events": {"events": {f"https://e.example/{n}": {} for n in range(11)}},
    "an event that is no object": {"events": {SESSION_REVOKED: True}},
    "an event without a name": {"events": {"": {}}},
    "an event with a name that is too long": {"events": {"e" * 256: {}}},
    "an event with a name that cannot be printed": {"events": {"\0": {}}},
    **{
        f"the subject {subject}": {"sub_id": subject}
        for subject in (
            None,
            "alice",
            [ALICE],
            {**ALICE, "iss": "https://evil.example"},
            {**ALICE, "sub": None},
            {**ALICE, "sub": ""},
            {**ALICE, "sub": ["a"]},
            {**ALICE, "sub": "\0"},
            {**ALICE, "sub": "s" * 256},
            {**OPAQUE, "id": 7},
            {**EMAIL, "email": "alice"},
            {**EMAIL, "email": 7},
            {"format": "complex", "user": "alice"},
            {"format": "complex", "user": ALICE, "session": {"format": "email"}},
            {"format": "complex", "user": ALICE, "session": EMAIL},
            {"format": "complex", "user": {**ALICE, "iss": "https://evil.example"}},
        )
    },
}
ERRORS = {
    "an issuer that is not trusted": "invalid_issuer",
    "no issuer": "invalid_issuer",
    "another audience": "invalid_audience",
    "no audience": "invalid_audience",
    "an unknown key": "invalid_key",
    "no jti": "invalid_request",
    "typ logout+jwt": "invalid_request",
}


def wrong_event(sender: Signaller, claims: dict[str, Any]) -> httpx.Response:
    header = {"typ": "secevent+jwt", **claims.pop("header", {})}
    return sender.sends(sender.security_event(header=header, **claims))


@pytest.mark.parametrize("event_name", [SESSION_REVOKED, DISABLED, CREDENTIAL_CHANGE])
def test_a_security_event_that_breaks_a_rule_ends_nothing(shared: Deployment, event_name: str):
    """RFC 8935 §2.4: the answer says which, and the audit log too."""
    sender = honest(shared)
    person = begin_session(shared, user_of(shared, "alice"))
    for name, changed in WRONG_EVENTS.items():
        shared.wait(timedelta(minutes=1))
        claims = claims_of(sender, dict(changed))
        claims = {"event": event_name, **claims}
        answer = wrong_event(sender, claims)
        assert answer.status_code == httpx.codes.BAD_REQUEST, name
        assert set(answer.json()) == {"err", "description"}, name
        assert answer.json()["err"] == ERRORS.get(name, answer.json()["err"]), name
        assert answer.headers["cache-control"] == "no-store"
        assert is_signed_in(person), name
        refused = events(shared, "security_event.refused")[-1]
        assert refused.details["error"] == answer.json()["err"], name


def by_another_key(provider: FakeProvider) -> FakeProvider:
    other = OtherIssuer.new(alg="ES256")
    signer = OtherIssuer(provider.other.issuer, "ES256", "c1", other.key)
    return FakeProvider(provider.deployment, provider.other, signer=signer)


def test_a_signature_by_another_key_is_not_that_of_the_issuer(shared: Deployment):
    sender = Signaller(by_another_key(honest(shared).provider))
    person = begin_session(shared, user_of(shared, "alice"))
    answer = sender.sends(sender.security_event())
    assert (answer.status_code, answer.json()["err"]) == (400, "authentication_failed")
    answer = sender.revokes(sender.bearer(), sub_id=ALICE)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert is_signed_in(person)


def test_an_algorithm_of_the_token_does_not_count(shared: Deployment):
    """Neither none nor a symmetric one, whose key would be the public key (RFC 8725 §3.1)."""
    sender = honest(shared)
    person = begin_session(shared, user_of(shared, "alice"))
    _, claims, _ = sender.security_event().split(".")
    key = sender.provider.other.key.as_pem(private=False)
    for alg in ("none", "HS256"):
        header = {"alg": alg, "typ": "secevent+jwt", "kid": "c1"}
        signed = ".".join([encoded(json.dumps(header).encode()), claims])
        signature = hmac.digest(key, signed.encode(), "sha256") if alg == "HS256" else b""
        answer = sender.sends(f"{signed}.{encoded(signature)}")
        assert answer.status_code == httpx.codes.BAD_REQUEST
        assert is_signed_in(person)


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "nothing": (b"", {}, 400),
    "no JWT": (b"token", {}, 400),
    "JSON": (b"{}", {}, 400),
    "bytes": (bytes(range(256)), {}, 400),
    "another content type": (b"token", {"Content-Type": "application/jwt"}, 400),
    "a form": (b"token=1", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
    "too much": (b"a" * 20_481, {}, 413),
}


@rows(("content", "headers", "status"), BODIES)
def test_a_body_that_is_no_token_is_an_invalid_request(
    shared: Deployment, content: bytes, headers: dict[str, str], status: int
):
    honest(shared)
    sent = {"Content-Type": "application/secevent+jwt", **headers}
    answer = shared.http.post("/oauth2/security-events", content=content, headers=sent)
    assert (answer.status_code, answer.json()["err"]) == (status, "invalid_request")


def test_an_issuer_that_is_disabled_or_not_for_people_ends_nothing(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    person = begin_session(deployment, alice_id)
    sender.provider.change(disabled=True)
    assert sender.sends(sender.security_event()).json()["err"] == "invalid_issuer"
    assert sender.revokes(sender.bearer(), sub_id=ALICE).status_code == httpx.codes.UNAUTHORIZED
    assert is_signed_in(person)


def test_a_security_event_counts_once_and_is_accepted_again(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    """The transmitter may not have seen the answer; another delivery ends nothing."""
    token = sender.security_event()
    assert sender.sends(token).status_code == httpx.codes.ACCEPTED
    later = begin_session(deployment, alice_id)
    deployment.wait(timedelta(days=6))
    again = sender.sends(token)
    assert (again.status_code, again.content) == (httpx.codes.ACCEPTED, b"")
    assert len(events(deployment, "signal.received")) == 1
    deployment.wait(timedelta(days=2))
    assert sender.sends(token).status_code == httpx.codes.BAD_REQUEST
    assert later.session.id in {each.id for each in sessions_of(deployment, alice_id)}


def sessions_of(deployment: Deployment, user_id: str) -> list[Any]:
    with deployment.services.administration.reading() as work:
        return work.sessions._store.of_user(user_id)


def test_of_one_token_in_two_processes_one_counts(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    """On the same database, at the same time."""
    directory = deployment.services.tokens.directory
    signals = deployment.services.provider_signals
    other = compose(deployment.services.settings, deployment.clock)
    processes = [deployment.services.administration, other.administration]

    def use(administration: Administration, signal: ProviderSignal) -> bool:
        try:
            with administration.changing(Actor(), held=()) as work:
                return work.departures.receive(signal)
        except UsedBefore:
            return False

    try:
        for _ in range(5):
            reading = signals.security_event(sender.security_event(), directory.issuers_of_people())
            signal = asyncio.run(reading)
            with ThreadPoolExecutor(2) as threads:
                used = [*threads.map(use, processes, [signal, signal])]
            assert sorted(used) == [False, True]
    finally:
        other.database.dispose()
    assert len(events(deployment, "signal.received")) == 5


def test_a_revocation_counts_once(deployment: Deployment, sender: Signaller, alice_id: str):
    token = sender.bearer()
    assert sender.revokes(token, sub_id=ALICE).status_code == httpx.codes.NO_CONTENT
    later = begin_session(deployment, alice_id)
    assert sender.revokes(token, sub_id=ALICE).status_code == httpx.codes.UNAUTHORIZED
    assert is_signed_in(later)


# Universal Logout.


def wrong_bearer(sender: Signaller, claims: dict[str, Any]) -> httpx.Response:
    header = {"typ": "global-token-revocation+jwt", **claims.pop("header", {})}
    return sender.revokes(sender.bearer(header=header, **claims), sub_id=ALICE)


WRONG_BEARERS: dict[str, dict[str, Any]] = {
    **WRONG_COMMON,
    "our client id as audience": {"aud": "issuer"},
    "another endpoint": {"aud": f"{URL}/oauth2/token"},
    "no sub": {"sub": None},
    "a sub that is a number": {"sub": 7},
    "no exp": {"exp": None},
    "expired": {"exp": at(-1)},
    "valid for too long": {"exp": at(601)},
    "not valid yet": {"nbf": at(60)},
    "a security event": {"header": {"typ": "secevent+jwt"}},
}


def test_a_revocation_without_the_right_token_ends_nothing(shared: Deployment):
    sender = honest(shared)
    person = begin_session(shared, user_of(shared, "alice"))
    for name, changed in WRONG_BEARERS.items():
        shared.wait(timedelta(minutes=1))
        answer = wrong_bearer(sender, claims_of(sender, dict(changed)))
        assert answer.status_code == httpx.codes.UNAUTHORIZED, name
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], name
        assert is_signed_in(person), name
        refused = events(shared, "global_token_revocation.refused")[-1]
        assert "the bearer token: " in (refused.reason or ""), name


REQUESTS: dict[str, tuple[Any, int]] = {
    "nothing": ({}, 400),
    "a text": ({"sub_id": "alice"}, 400),
    "no format": ({"sub_id": {"sub": SUBJECT}}, 400),
    "an unknown format": ({"sub_id": {"format": "new", "id": SUBJECT}}, 400),
    "a phone number": ({"sub_id": {"format": "phone_number", "phone_number": "+1"}}, 400),
    "a session alone": ({"sub_id": {"format": "complex", "session": OPAQUE}}, 400),
    "another issuer": ({"sub_id": {**ALICE, "iss": "https://evil.example"}}, 403),
    "nobody": ({"sub_id": {**ALICE, "sub": "nobody"}}, 404),
    "nobody by address": ({"sub_id": {**EMAIL, "email": "eve@company.example"}}, 404),
    "somebody without an account there": (
        {"sub_id": {**EMAIL, "email": "bob@company.example"}},
        404,
    ),
}


@rows(("body", "status"), REQUESTS)
def test_a_revocation_for_nobody_says_why(shared: Deployment, body: Any, status: int):
    """§3.4.2 of the draft."""
    sender = honest(shared)
    people = [begin_session(shared, user_of(shared, name)) for name in ("alice", "bob")]
    assert sender.revokes(sender.bearer(), **body).status_code == status
    assert all(map(is_signed_in, people))


@rows("content", [b"", b"{", b"[]", b'"a"', b'{"sub_id":1,"sub_id":2}', b"\xff", b"[" * 10_000])
def test_a_revocation_that_is_no_json_object_is_refused(shared: Deployment, content: bytes):
    sender = honest(shared)
    headers = {"Authorization": f"Bearer {sender.bearer()}", "Content-Type": "application/json"}
    answer = shared.http.post(REVOCATION, content=content, headers=headers)
    assert answer.status_code == httpx.codes.BAD_REQUEST


def test_the_member_of_earlier_drafts_is_read(shared: Deployment):
    sender = honest(shared)
    answer = sender.revokes(sender.bearer(), subject=ALICE)
    assert (answer.status_code, answer.content) == (httpx.codes.NO_CONTENT, b"")
    assert "content-length" not in answer.headers


def test_the_metadata_names_the_endpoint_for_revocations(shared: Deployment):
    document = shared.http.get("/.well-known/oauth-authorization-server").json()
    assert document["global_token_revocation_endpoint"] == URL + REVOCATION
    methods = document["global_token_revocation_endpoint_auth_methods_supported"]
    assert methods == ["global-token-revocation+jwt"]


# One kind of token is none of the others.


def test_no_kind_of_token_is_accepted_as_another(shared: Deployment):
    sender = honest(shared)
    person = begin_session(shared, user_of(shared, "alice"))
    security_event, bearer = sender.security_event(), sender.bearer()
    logout = sender.logout_token()
    for wrong in (
        sender.logs_out(security_event),
        sender.logs_out(bearer),
        sender.sends(bearer),
        sender.sends(logout),
        sender.revokes(security_event, sub_id=ALICE),
        sender.revokes(logout, sub_id=ALICE),
    ):
        assert wrong.status_code in {400, 401}, wrong.text
    assert is_signed_in(person)


# Disabled, enabled, another address.


def is_disabled(deployment: Deployment, user_id: str) -> bool:
    with deployment.services.administration.reading() as work:
        return work.users.get(user_id).disabled


@pytest.mark.parametrize("name", [DISABLED, PURGED])
def test_whoever_is_disabled_there_is_disabled_here_until_enabled_there(
    deployment: Deployment, sender: Signaller, alice_id: str, name: str
):
    sender.sends(sender.security_event(name))
    assert is_disabled(deployment, alice_id)
    deployment.wait(timedelta(minutes=1))
    sender.sends(sender.security_event(ENABLED))
    assert not is_disabled(deployment, alice_id)


def test_what_somebody_else_disabled_is_not_enabled_by_a_signal(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    disable(deployment, alice_id)
    sender.sends(sender.security_event(DISABLED))
    sender.sends(sender.security_event(ENABLED))
    assert is_disabled(deployment, alice_id)


def by_scim_again(deployment: Deployment, user_id: str) -> None:
    """A provisioning client says `active: false` of a user who is disabled."""
    with deployment.changing() as work:
        known = work.provisioned_users.get(user_id)
        fields = ProvisionedFields(**{n: getattr(known, n) for n in ProvisionedFields.model_fields})
        work.provisioned_users.provision(user_id, fields)


@pytest.mark.parametrize("says", [disable, by_scim_again])
def test_whom_somebody_else_disabled_as_well_is_not_enabled_by_a_signal(
    deployment: Deployment,
    sender: Signaller,
    alice_id: str,
    says: Callable[[Deployment, str], None],
):
    sender.sends(sender.security_event(DISABLED))
    says(deployment, alice_id)
    sender.sends(sender.security_event(ENABLED))
    assert is_disabled(deployment, alice_id)


def test_an_administrator_who_decides_again_decides(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    """Disabled by a signal, enabled and disabled here: that stays."""
    sender.sends(sender.security_event(DISABLED))
    with deployment.changing() as work:
        work.users.update(alice_id, {"disabled": False})
    disable(deployment, alice_id)
    sender.sends(sender.security_event(ENABLED))
    assert is_disabled(deployment, alice_id)


def test_a_signal_that_was_overtaken_enables_nobody(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    overtaken = sender.security_event(ENABLED)
    deployment.wait(timedelta(minutes=1))
    sender.sends(sender.security_event(DISABLED))
    assert sender.sends(overtaken).status_code == httpx.codes.ACCEPTED
    assert is_disabled(deployment, alice_id)


def test_another_issuer_does_not_enable_whom_one_disabled(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    other = Signaller(FakeProvider.trusted(deployment, "second", "https://second.example"))
    other.provider.link(alice_id, issuer_id="second")
    sender.sends(sender.security_event(DISABLED))
    about = {**ALICE, "iss": "https://second.example"}
    answer = other.sends(other.security_event(ENABLED, sub_id=about))
    assert answer.status_code == httpx.codes.ACCEPTED
    assert is_disabled(deployment, alice_id)


def test_the_last_admin_is_signed_out_but_not_disabled(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    """Nobody could enable them again."""
    deployment.role("boss", ["issuer:admin"])
    deployment.client(
        "console",
        audiences=[URL],
        grant_types=["authorization_code"],
        redirect_uris=["https://c.example/"],
        user_rights="all",
    )
    with deployment.changing() as work:
        work.assignments.assign(alice_id, Assignment(role="boss", audience=URL))
    with deployment.changing() as work:
        work.clients.delete(deployment.admin.client_id)
    person = begin_session(deployment, alice_id)
    assert sender.sends(sender.security_event(DISABLED)).status_code == httpx.codes.ACCEPTED
    assert not is_signed_in(person)
    assert not is_disabled(deployment, alice_id)


def test_a_new_credential_ends_nothing(deployment: Deployment, sender: Signaller, alice_id: str):
    person = begin_session(deployment, alice_id)
    sender.sends(sender.security_event(CREDENTIAL_CHANGE, details={"change_type": "create"}))
    assert is_signed_in(person)


def test_another_address_there_is_the_address_of_whom_the_issuer_made(
    deployment: Deployment, sender: Signaller
):
    """Not verified before the next sign-in; others keep the address that they have here."""
    sender.provider.change(sign_in={"provision": True})
    issuer = deployment.services.tokens.directory.trusted_issuer("company")
    assert issuer is not None
    assert issuer.sign_in is not None
    said = {"sub": SUBJECT, "preferred_username": "alice", "email": ADDRESS, "email_verified": True}
    with deployment.services.administration.changing(Actor(), held=()) as work:
        arrival = work.identities.arrive(issuer, provider_claims(said, issuer.sign_in))
    user_id = arrival.user.id
    linked = deployment.user("bob", email="bob@company.example", email_verified=True)
    sender.provider.link(linked, "s-bob")
    for subject in (SUBJECT, "s-bob"):
        details = {"new-value": "new@company.example"}
        sub_id = {**ALICE, "sub": subject}
        sender.sends(sender.security_event(CHANGED, sub_id=sub_id, details=details))
    with deployment.services.administration.reading() as work:
        user, other = work.users.get(user_id), work.users.get(linked)
    assert (user.email, user.email_verified) == ("new@company.example", False)
    assert (other.email, other.email_verified) == ("bob@company.example", True)


@rows("name", [VERIFICATION, f"{SECEVENT}/ssf/event-type/stream-updated", "https://e.example/new"])
def test_what_says_nothing_about_a_person_is_noted(shared: Deployment, name: str):
    sender = honest(shared)
    sub_id = {"format": "opaque", "id": "stream-1"}
    answer = sender.sends(sender.security_event(name, sub_id=sub_id, details={"state": "x"}))
    assert answer.status_code == httpx.codes.ACCEPTED
    noted = events(shared, "signal.received")[-1]
    assert noted.target is None
    assert noted.details["event"] == name.removeprefix(f"{SECEVENT}/")
    assert noted.details["issuer"] == "company"


# Front-channel logout.


def test_a_front_channel_logout_is_a_page_that_anybody_may_frame(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    """OpenID Connect Front-Channel Logout 1.0 §3; without cookies."""
    person = session_at(deployment, alice_id, "there-1")
    page = sender.frames(iss=COMPANY, sid="there-1")
    assert page.status_code == httpx.codes.OK
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors *"
    assert "x-frame-options" not in page.headers
    assert len(page.content) < 100
    assert not is_signed_in(person)


@rows(
    "query",
    [
        {},
        {"iss": COMPANY},
        {"sid": "there-1"},
        {"iss": COMPANY, "sid": ""},
        {"iss": "https://evil.example", "sid": "there-1"},
        {"iss": f"{COMPANY}/", "sid": "there-1"},
        {"iss": COMPANY, "sid": "there-2"},
        {"iss": COMPANY, "sid": "THERE-1"},
        {"iss": COMPANY, "sid": "%"},
        {"iss": COMPANY, "sid": "\0"},
        {"iss": COMPANY, "sid": "s" * 256},
    ],
)
def test_a_forged_front_channel_logout_ends_nothing(shared: Deployment, query: dict[str, str]):
    sender = honest(shared)
    person = session_at(shared, user_of(shared, "alice"), "there-1")
    assert sender.frames(**query).status_code in {400, 404}
    assert is_signed_in(person)


def test_the_sid_of_another_issuer_ends_nothing(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    person = session_at(deployment, alice_id, "there-1")
    FakeProvider.trusted(deployment, "second", "https://second.example")
    assert sender.frames(iss="https://second.example", sid="there-1").status_code == 404
    assert is_signed_in(person)


def test_unknown_sessions_are_limited_but_wrong_credentials_are_not_counted(
    deployment: Deployment, sender: Signaller, alice_id: str
):
    """Any page can let its visitors send some: they must still be able to sign in."""
    session_at(deployment, alice_id, "there-1")
    statuses = [sender.frames(iss=COMPANY, sid=f"no-{n}").status_code for n in range(61)]
    assert statuses == [404] * 60 + [429]
    assert sender.frames(iss=COMPANY, sid="there-1").status_code == 429
    assert sender.sends(sender.security_event()).status_code == httpx.codes.ACCEPTED


def test_wrong_tokens_are_limited(deployment: Deployment, sender: Signaller):
    statuses = [sender.sends("x").status_code for _ in range(61)]
    assert statuses[59:] == [httpx.codes.BAD_REQUEST, httpx.codes.TOO_MANY_REQUESTS]
