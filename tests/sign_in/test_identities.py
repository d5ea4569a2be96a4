"""Identities: who arrives from a trusted issuer, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from issuer.audit import Actor
from issuer.database import migrations
from issuer.database.tables import IdentityRow, SignInSessionRow
from issuer.errors import Forbidden, InUse, InvalidCredentials, InvalidField, NotAllowed, NotFound
from issuer.languages import in_language
from issuer.roles import Assignment
from issuer.sign_in.identities import Identity, Refused
from issuer.sign_in.sessions import ProviderProof
from issuer.trusted_issuers import TrustedIssuerFields
from issuer.users import User
from issuer.users.provisioned import ProvisionedFields
from tests.builders import URL, Deployment, hashed
from tests.oauth.refreshing import events
from tests.people_of_others import Company, company, helpdesk, people
from tests.rows import rows
from tests.sign_in.authorizing import App, sign_in
from tests.sign_in.people import People
from tests.trusting import OtherIssuer, trusted

PASSWORD = "an entirely different horse"
ADMINS = "correct horse battery staple"  # that an administrator gave


@pytest.fixture
def here(deployment: Deployment) -> Company:
    deployment.role("runner", ["agents:run"])
    deployment.audience("other-os")
    return company(
        deployment, roles=[{"group": "engineers", "role": "runner", "audience": "my-os"}]
    )


@pytest.fixture
def alice(deployment: Deployment) -> str:
    return deployment.user("alice")


def scopes_at(deployment: Deployment, user_id: str, audience: str = "my-os") -> set[str]:
    directory = deployment.services.tokens.directory
    user = directory.load_user(user_id)
    assert user is not None
    return set(user.rights.at(directory.load_audience(audience)))


def user_named(here: Company, username: str) -> User:
    with here.deployment.services.administration.reading() as work:
        return work.users.get_by_username(username)


def identities(deployment: Deployment, user_id: str) -> list[Identity]:
    with deployment.services.administration.reading() as work:
        return work.identities.of_user(user_id)


def test_a_linked_person_arrives_as_the_user(here: Company, alice: str):
    identity = here.link(alice)
    arrival = here.arrive()
    assert (arrival.user.id, arrival.identity_id, arrival.is_new) == (alice, identity, False)
    (found,) = identities(here.deployment, alice)
    assert (found.subject, found.issuer, found.name) == ("s-alice", "company", "Alice Example")
    assert found.last_used_at == here.deployment.clock()


def test_name_and_address_of_a_linked_user_are_not_those_of_the_issuer(here: Company):
    bob = here.deployment.user("bob", name="Bob", email="bob@example.com", email_verified=True)
    here.link(bob)
    here.arrive(email="b@company.example", email_verified=False, name="Robert")
    here.arrive(email=None)
    user = user_named(here, "bob")
    assert (user.name, user.email, user.email_verified) == ("Bob", "bob@example.com", True)


def test_nobody_else_is_known_whatever_name_and_address_they_have(here: Company, alice: str):
    """Never by e-mail or user name: others may have chosen those."""
    here.link(alice)
    for subject in ("s-other", "S-ALICE", "s-alice "):
        assert here.refusal(subject).why is Refused.NOT_LINKED


def test_a_user_has_at_most_20_identities(here: Company, alice: str):
    for number in range(20):
        here.link(alice, f"s-{number}")
    with pytest.raises(NotAllowed, match="at most 20 identities") as refused:
        here.link(alice)
    sentence = str(refused.value)
    assert in_language("de")(sentence) != sentence


def test_the_same_subject_at_another_issuer_is_somebody_else(here: Company, alice: str):
    here.link(alice)
    other = OtherIssuer.new("https://login.other.example", "ES256")
    elsewhere = company(here.deployment, other, issuer_id="elsewhere")
    assert elsewhere.refusal().why is Refused.NOT_LINKED


def test_a_disabled_user_does_not_arrive(here: Company, alice: str):
    here.link(alice)
    with here.deployment.changing() as work:
        work.users.update(alice, {"disabled": True})
    refused = here.refusal(groups=["engineers"])
    assert (refused.why, refused.subject) == (Refused.DISABLED, alice)
    assert identities(here.deployment, alice)[0].groups == []


def test_nobody_arrives_from_an_issuer_that_is_disabled(here: Company, alice: str):
    here.link(alice)
    record = here.record
    here.change(disabled=True)
    assert here.refusal().why is Refused.ISSUER
    here.change(disabled=False)
    assert here.arrive().user.id == alice
    assert not record.disabled


def test_required_claims_are_required_of_linked_people_too(here: Company, alice: str):
    here.link(alice)
    here.change(sign_in={"required_claims": {"hd": "company.example"}})
    assert here.refusal().why is Refused.CLAIM
    assert "hd" in here.refusal(hd="other.example").reason
    assert here.arrive(hd="company.example").user.id == alice


def test_a_group_gives_its_roles_from_the_next_sign_in_on(here: Company, alice: str):
    here.link(alice)
    here.arrive()
    assert scopes_at(here.deployment, alice) == set()
    here.arrive(groups=["engineers", "nobody-maps-this"])
    assert scopes_at(here.deployment, alice) == {"agents:run"}
    assert scopes_at(here.deployment, alice, "other-os") == set()
    assert identities(here.deployment, alice)[0].groups == ["engineers"]


def test_a_lost_group_takes_its_roles_and_the_access_tokens(
    here: Company, alice: str, token_endpoint: Any
):
    deployment = here.deployment
    client = deployment.client("app", scopes=["agents:run"], grant_types=["password"])
    here.link(alice)
    here.arrive(groups=["engineers"])
    token = token_endpoint.password(client, "alice")
    assert token.scope == {"agents:run"}
    here.arrive()
    assert scopes_at(deployment, alice) == set()
    deployment.wait(timedelta(seconds=2))
    assert token_endpoint.introspect(client, token.token) == {"active": False}
    assert token_endpoint.password(client, "alice").scope == set()
    changed = events(deployment, "identity.groups_changed")[-1]
    assert (changed.target, changed.details["lost"]) == (alice, ["engineers"])
    assert changed.details["access_tokens_revoked"] is True


def test_what_stays_the_same_is_no_change(here: Company, alice: str):
    here.link(alice)
    here.arrive(groups=["engineers"])
    before = here.deployment.services.database.counts().changes
    here.arrive(groups=["engineers"])
    assert here.deployment.services.database.counts().changes == before
    assert len(events(here.deployment, "identity.groups_changed")) == 1


def test_a_mapping_that_ends_takes_its_roles_at_once(here: Company, alice: str):
    here.link(alice)
    here.arrive(groups=["engineers"])
    here.change(sign_in={"roles": []})
    assert scopes_at(here.deployment, alice) == set()
    here.change(sign_in={"roles": [{"group": "engineers", "role": "runner", "audience": "my-os"}]})
    assert scopes_at(here.deployment, alice) == set()  # from the next sign-in on
    here.arrive(groups=["engineers"])
    assert scopes_at(here.deployment, alice) == {"agents:run"}


def test_a_mapped_role_that_is_deleted_takes_the_access_tokens(here: Company, alice: str, app: App):
    here.link(alice)
    here.arrive(groups=["engineers"])
    given = sign_in(here.deployment, alice).signs_in_to(app, scope="agents:run")
    reader = here.deployment.services.tokens.any_reader
    assert reader.read(given.token).subject == alice
    with here.deployment.changing() as work:
        work.roles.delete("runner", cascade=True)
    with pytest.raises(InvalidCredentials):
        reader.read(given.token)


def test_a_disabled_issuer_gives_nothing(here: Company, alice: str):
    here.link(alice)
    here.arrive(groups=["engineers"])
    here.change(disabled=True)
    assert scopes_at(here.deployment, alice) == set()
    here.change(disabled=False)
    assert scopes_at(here.deployment, alice) == {"agents:run"}


class TestProvisioning:
    @pytest.fixture
    def here(self, deployment: Deployment) -> Company:
        return company(deployment, provision=True)

    def test_a_new_person_gets_a_user(self, here: Company):
        arrival = here.arrive()
        assert arrival.is_new
        with here.deployment.services.administration.reading() as work:
            user = work.users.get(arrival.user.id)
        assert (user.username, user.name) == ("alice", "Alice Example")
        assert (user.email, user.email_verified) == ("alice@company.example", True)
        assert here.arrive(preferred_username="bob").user.id == user.id
        made = events(here.deployment, "identity.provisioned")
        assert [each.target for each in made] == [user.id]

    def test_an_address_is_verified_only_where_the_issuer_says_so(self, here: Company):
        user = here.arrive(email_verified=None).user
        assert (user.email, user.email_verified) == ("alice@company.example", False)

    @rows(
        ("said", "name", "email", "is_verified"),
        [
            ({"email": "a@new.example"}, "Alice Example", "a@new.example", True),
            (
                {"email": "a@new.example", "email_verified": False},
                "Alice Example",
                "a@new.example",
                False,
            ),
            ({"email_verified": False}, "Alice Example", "alice@company.example", False),
            ({"email_verified": None}, "Alice Example", "alice@company.example", False),
            ({"email": None}, "Alice Example", "alice@company.example", False),
            ({"email": "no address"}, "Alice Example", "alice@company.example", False),
            ({"name": "Alice Smith"}, "Alice Smith", "alice@company.example", True),
            ({"name": None}, "Alice Example", "alice@company.example", True),
            ({"name": "a" * 300}, "a" * 255, "alice@company.example", True),
        ],
    )
    def test_name_and_address_are_those_of_the_last_sign_in(
        self, here: Company, said: dict[str, Any], name: str, email: str, is_verified: bool
    ):
        """Whoever gets an address that somebody has given up must not get the user with it."""
        user_id = here.arrive().user.id
        here.arrive(**said)
        user = user_named(here, "alice")
        assert (user.id, user.name, user.email) == (user_id, name, email)
        assert user.email_verified is is_verified
        here.arrive()
        user = user_named(here, "alice")
        assert (user.name, user.email) == ("Alice Example", "alice@company.example")
        assert user.email_verified

    def test_a_change_there_is_audited_here_and_the_same_again_is_no_change(self, here: Company):
        user_id = here.arrive().user.id
        version = user_named(here, "alice").version
        here.arrive()
        assert user_named(here, "alice").version == version
        here.arrive(email="a@new.example", name="Alice Smith")
        (changed,) = events(here.deployment, "user.updated")
        assert (changed.target, changed.details["changed"]) == (user_id, ["email", "name"])
        assert "new.example" not in str(changed.details)

    def test_a_user_with_rights_at_the_issuer_has_the_present_address_too(self, here: Company):
        user_id = here.arrive().user.id
        here.deployment.role("admin", ["issuer:admin"])
        with here.deployment.changing() as work:
            work.assignments.assign(user_id, Assignment(role="admin", audience=URL))
        here.arrive(email="a@new.example")
        assert user_named(here, "alice").email == "a@new.example"

    def test_what_a_provisioning_client_has_set_stays_but_for_a_verified_address(
        self, here: Company
    ):
        """Its address is verified only while the provider says the same one."""
        user_id = here.arrive().user.id
        with here.deployment.changing() as work:
            before = work.provisioned_users.get(user_id)
            fields = before.model_dump(include=ProvisionedFields.model_fields.keys())
            given = {**fields, "name": "Example, Alice", "scim": {}}
            work.provisioned_users.provision(user_id, ProvisionedFields.read(given))
        for said, is_verified in (("a@new.example", False), ("alice@company.example", True)):
            here.arrive(email=said)
            user = user_named(here, "alice")
            assert (user.name, user.email) == ("Example, Alice", "alice@company.example")
            assert user.email_verified is is_verified

    def test_users_who_were_made_before_this_was_kept_are_known_by_the_audit_log(
        self, here: Company
    ):
        user_id = here.arrive().user.id
        here.link(user_id, "s-other")
        database = here.deployment.services.database
        with migrations.changing_schema(database) as connection:
            connection.exec_driver_sql("ALTER TABLE identities DROP COLUMN made_user")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0014'")
            migrations.upgrade_to("0015", connection)
        with database.reading() as session:
            made = {each.subject: each.made_user for each in session.query(IdentityRow)}
        assert made == {"s-alice": True, "s-other": None}

    def test_another_account_of_the_user_changes_nothing(self, here: Company):
        user_id = here.arrive().user.id
        here.link(user_id, "s-other")
        here.arrive("s-other", email="other@company.example", name="Another")
        user = user_named(here, "alice")
        assert (user.name, user.email) == ("Alice Example", "alice@company.example")
        assert user.email_verified

    def test_a_taken_name_is_refused_and_nothing_is_merged(self, here: Company, alice: str):
        """Also one that only looks the same: the last one is in Cyrillic letters."""
        for username in ("alice", "ALICE", "\u0430\u04cf\u0456\u0441\u0435"):
            refused = here.refusal(preferred_username=username)
            assert refused.why is Refused.USERNAME_TAKEN
        assert identities(here.deployment, alice) == []

    @rows("username", [None, "", "a  b", 7, "\u202e", "x" * 200])
    def test_a_name_that_no_user_can_have_is_refused(self, here: Company, username: object):
        assert here.refusal(preferred_username=username).why is Refused.NO_USERNAME
        with here.deployment.services.administration.reading() as work:
            assert work.users.count(10) == 0

    def test_it_happens_only_where_it_is_allowed(self, here: Company):
        here.change(sign_in={"provision": False})
        assert here.refusal().why is Refused.NOT_LINKED
        here.change(sign_in={"provision": True, "required_claims": {"staff": True}})
        assert here.refusal(staff="true").why is Refused.CLAIM
        assert here.arrive(staff=True).is_new

    def test_who_was_unlinked_does_not_come_back_under_the_same_name(self, here: Company):
        arrival = here.arrive()
        with here.deployment.changing() as work:
            work.identities.unlink(arrival.user.id, arrival.identity_id)
        assert here.refusal().why is Refused.USERNAME_TAKEN


def test_an_account_is_of_one_user(here: Company, alice: str):
    here.link(alice)
    bob = here.deployment.user("bob")
    for user in (alice, bob):
        with pytest.raises(NotAllowed):
            here.link(user)
    assert identities(here.deployment, bob) == []


def test_what_cannot_be_linked_is_refused(here: Company, alice: str):
    trusted(here.deployment, OtherIssuer.new())
    for members, error in (
        ({"issuer_id": "nobody"}, InvalidField),
        ({"user_id": "nobody"}, NotFound),
        ({"issuer_id": "cluster"}, NotAllowed),
    ):
        linking = {"user_id": alice, "issuer_id": "company", "subject": "s-1", **members}
        with pytest.raises(error), here.deployment.changing() as work:
            work.identities.link(**linking, name="", grantor=work.authority.grantor)


def test_unlinking_ends_the_sessions_that_began_there(here: Company, alice: str):
    """And the access tokens, also those that no session has."""
    identity = here.link(alice)
    with here.deployment.changing() as work:
        work.identities.unlink(alice, identity)
    assert here.refusal().why is Refused.NOT_LINKED
    unlinked = events(here.deployment, "identity.unlinked")[-1]
    assert (unlinked.target, unlinked.details["subject"]) == (alice, "s-alice")
    with pytest.raises(NotFound), here.deployment.changing() as work:
        work.identities.unlink(alice, identity)


def test_what_ends_an_account_ends_the_sessions_that_began_there(here: Company, alice: str):
    """And no other session of the user."""
    deployment, sessions = here.deployment, here.deployment.services.people.sessions
    ways: list[Callable[[str], None]] = [
        lambda identity: _unlink(deployment, alice, identity),
        lambda _: here.change(disabled=True),
        lambda _: _delete(deployment, "company"),
    ]
    for end in ways:
        identity = here.link(alice)
        there, local = sign_in(deployment, alice), sign_in(deployment, alice)
        with deployment.services.database.transaction() as session:
            began = update(SignInSessionRow).where(SignInSessionRow.id == there.session.id)
            session.execute(began.values(identity_id=identity))
        end(identity)
        left = {each.id for each in sessions.of_user(alice)}
        assert there.session.id not in left
        assert local.session.id in left
        assert events(deployment, "session.ended")[-1].details["session"] == there.session.id
        if here.deployment.services.tokens.directory.trusted_issuer("company"):
            here.change(disabled=False)
            for each in identities(deployment, alice):
                _unlink(deployment, alice, each.id)


@pytest.mark.parametrize("how", ["unlinked", "disabled"])
def test_no_session_begins_with_an_account_that_ended_after_the_arrival(
    here: Company, alice: str, how: str
):
    """Nothing would end it later."""
    identity = here.link(alice)
    here.arrive()
    proof = ProviderProof(identity, here.deployment.clock(), None)
    assert sign_in(here.deployment, alice, provider=proof).session.identity_id == identity
    if how == "disabled":
        here.change(disabled=True)
    else:
        _unlink(here.deployment, alice, identity)
    with pytest.raises(InvalidCredentials):
        sign_in(here.deployment, alice, provider=proof)


def _unlink(deployment: Deployment, user_id: str, identity_id: str) -> None:
    with deployment.changing() as work:
        work.identities.unlink(user_id, identity_id)


def _delete(deployment: Deployment, issuer_id: str) -> None:
    with deployment.changing() as work:
        work.trusted_issuers.delete(issuer_id, cascade=True)


@pytest.mark.parametrize("how", ["unlinked", "disabled", "never used"])
def test_offline_access_of_a_session_that_is_over_ends_with_the_account(
    here: Company, alice: str, app: App, how: str
):
    """It may have begun there. What a session still has is ended with that session, or stays."""
    identity = here.link(alice)
    if how != "never used":
        here.arrive()
    here.deployment.clock.move(timedelta(seconds=2))
    earlier, open_still = sign_in(here.deployment, alice), sign_in(here.deployment, alice)
    offline = earlier.signs_in_to(app, scope="openid offline_access")
    other = open_still.signs_in_to(app, scope="openid offline_access")
    here.deployment.services.people.sessions.sign_out(earlier.session, Actor())
    if how == "disabled":
        here.change(disabled=True)
    else:
        with here.deployment.changing() as work:
            work.identities.unlink(alice, identity)
    here.deployment.clock.move(timedelta(seconds=3))
    assert app.refresh(offline.refresh_token).status == (200 if how == "never used" else 400)
    assert app.refresh(other.refresh_token).status == 200


def test_the_only_way_to_sign_in_is_unlinked_by_administrators_alone(here: Company):
    bob = here.deployment.user("bob", password=None)
    identity = here.link(bob, "s-bob")
    own = here.deployment.services.administration
    People(here.deployment, here.deployment.clock).app_of(bob)
    with pytest.raises(NotAllowed), own.changing(Actor(bob)) as work:
        work.identities.unlink_own(bob, identity)
    second = here.link(bob, "s-bob-2")
    with own.changing(Actor(bob)) as work:
        work.identities.unlink_own(bob, identity)
    with here.deployment.changing() as work:
        work.identities.unlink(bob, second)


def test_an_issuer_with_people_keeps_its_iss_and_its_kind(here: Company, alice: str):
    here.link(alice)
    for patch in (
        {"issuer": "https://login.attacker.example"},
        {"kinds": ["workload"], "sign_in": None},
    ):
        with pytest.raises(InUse, match="user alice"):
            here.change(**patch)
    with pytest.raises(InUse), here.deployment.changing() as work:
        work.trusted_issuers.delete("company")
    with here.deployment.changing() as work:
        work.trusted_issuers.delete("company", cascade=True)
    assert identities(here.deployment, alice) == []


class TestRightsAtTheIssuer:
    """They need an administrator who mapped the group by name, and begin clean."""

    @pytest.fixture
    def here(self, deployment: Deployment) -> Company:
        deployment.role("admin", ["issuer:admin"])
        deployment.role("runner", ["agents:run"])
        return company(
            deployment,
            provision=True,
            roles=[{"group": "admins", "role": "admin", "audience": URL}],
        )

    def test_a_mapped_group_gives_them(self, here: Company):
        user = here.arrive(groups=["admins"]).user
        assert scopes_at(here.deployment, user.id, URL) == {"issuer:admin"}

    def test_a_role_with_them_must_name_the_audience(self, here: Company):
        for audience in (None, "my-os"):
            mapping = {"group": "all", "role": "admin", "audience": audience}
            with pytest.raises(InvalidField, match="sign_in"):
                here.change(sign_in={"roles": [mapping]})

    def test_a_role_that_gets_them_later_does_not_count_everywhere(self, here: Company):
        here.change(sign_in={"roles": [{"group": "all", "role": "runner", "audience": None}]})
        user = here.arrive(groups=["all"]).user
        with here.deployment.changing() as work:
            work.roles.update("runner", {"scopes": ["agents:run", "issuer:admin"]})
        assert scopes_at(here.deployment, user.id, URL) == set()
        with here.deployment.services.administration.reading() as work:
            assert not work.authority.holds_rights(user.id)

    def test_what_others_gave_ends_when_the_person_arrives(self, here: Company, alice: str):
        begin = helpdesk(here.deployment)
        here.link(alice)
        with begin() as work:
            work.users.set_password(alice, hashed(PASSWORD, "owasp"))
            work.identities.link(alice, "company", "s-helper", "", work.authority.grantor)
        here.arrive(groups=["admins"])
        assert [each.subject for each in identities(here.deployment, alice)] == ["s-alice"]
        with pytest.raises(InvalidCredentials):
            here.deployment.services.sign_in.sign_in.authenticate("alice", PASSWORD)

    def test_an_account_that_no_admin_linked_does_not_give_them(self, here: Company, alice: str):
        begin = helpdesk(here.deployment)
        with begin() as work:
            work.identities.link(alice, "company", "s-alice", "", work.authority.grantor)
        refused = here.refusal(groups=["admins"])
        assert (refused.why, refused.subject) == (Refused.NOT_BY_ADMIN, alice)
        assert scopes_at(here.deployment, alice, URL) == set()
        assert here.arrive().user.id == alice

    def test_only_admins_link_and_unlink_where_they_are_held(self, here: Company):
        begin = helpdesk(here.deployment)
        arrival = here.arrive(groups=["admins"])
        with pytest.raises(Forbidden), begin() as work:
            grantor = work.authority.grantor
            work.identities.link(arrival.user.id, "company", "s-helper", "", grantor)
        with pytest.raises(Forbidden), begin() as work:
            work.identities.unlink(arrival.user.id, arrival.identity_id)

    def test_link_then_promotion_ends_the_link_and_what_was_added_through_it(
        self, here: Company, alice: str
    ):
        """The person who came by the link may have added a passkey of their own."""
        begin = helpdesk(here.deployment)
        with begin() as work:
            work.identities.link(alice, "company", "s-helper", "", work.authority.grantor)
        with here.deployment.changing() as work:
            work.assignments.assign(alice, Assignment(role="admin", audience=URL))
        assert identities(here.deployment, alice) == []
        with pytest.raises(InvalidCredentials):
            here.deployment.services.sign_in.sign_in.authenticate("alice", ADMINS)

    def test_a_password_of_an_admin_does_not_hide_an_earlier_link(self, here: Company):
        begin = helpdesk(here.deployment)
        bob = here.deployment.user("bob", password=None)
        with begin() as work:
            work.identities.link(bob, "company", "s-helper", "", work.authority.grantor)
        with here.deployment.changing() as work:
            work.users.set_password(bob, hashed(PASSWORD, "owasp"))
        with here.deployment.changing() as work:
            work.assignments.assign(bob, Assignment(role="admin", audience=URL))
        with pytest.raises(InvalidCredentials):
            here.deployment.services.sign_in.sign_in.authenticate("bob", PASSWORD)

    def test_enabling_the_issuer_again_begins_clean(self, here: Company):
        """While it was disabled, the user had no rights here, and others could change them."""
        begin = helpdesk(here.deployment)
        arrival = here.arrive(groups=["admins"])
        here.change(disabled=True)
        with begin() as work:
            work.users.set_password(arrival.user.id, hashed(PASSWORD, "owasp"))
        here.change(disabled=False)
        with pytest.raises(InvalidCredentials):
            here.deployment.services.sign_in.sign_in.authenticate("alice", PASSWORD)

    def test_it_is_no_lasting_way_in_for_the_last_admin(
        self, here: Company, deployment: Deployment
    ):
        """The trusted issuer may be away, or say tomorrow that the person is no admin."""
        here.arrive(groups=["admins"])
        with pytest.raises(NotAllowed, match="last holder"), deployment.changing() as work:
            work.clients.delete(deployment.admin.client_id)

    def test_only_admins_change_an_issuer_of_people(self, here: Company):
        scopes = ["issuer:trusted-issuers:write"]
        begin = helpdesk(here.deployment, scopes)
        for patch in ({"disabled": True}, {"sign_in": {"provision": False}}, {"keys": {}}):
            with pytest.raises(Forbidden), begin() as work:
                work.trusted_issuers.update("company", patch)
        with pytest.raises(Forbidden), begin() as work:
            work.trusted_issuers.delete("company", cascade=True)
        other = OtherIssuer.new("https://a.example", "ES256")
        members = {**people(other), "id": "mine"}
        with pytest.raises(Forbidden), begin() as work:
            work.trusted_issuers.create(TrustedIssuerFields.read(members))
