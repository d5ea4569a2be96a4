"""Invitations by mail: the link is sent, and shown to nobody else."""

import json

import httpx
import pytest

from issuer.errors import InvalidCredentials, NotAllowed
from issuer.mail.mailer import MAX_WAITING
from issuer.mail.messages import MOST_TO_A_USER
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields
from issuer.users import UserFields
from tests.builders import OPERATOR, PASSWORD, Deployment
from tests.cli.driver import Cli
from tests.drivers import AdminApi, TokenDriver, problem
from tests.mail.sending import SENDER, events, link_in, sending_through, wait_for_mail
from tests.mail.smtp_server import SmtpReceiver, smtp_server
from tests.web.browsing import Browser
from tests.web.console.conftest import person

ADDRESS = "ada@example.com"


@pytest.fixture
def ada(deployment: Deployment) -> str:
    return deployment.user("ada", password=None, id="ada-id", email=ADDRESS)


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    return AdminApi(deployment.http, token_endpoint.client_credentials(deployment.admin).token)


def test_the_link_arrives_and_accepting_it_verifies_the_address(
    deployment: Deployment, admin: AdminApi, ada: str, receiver: SmtpReceiver
):
    created = admin.post("/users/ada-id/invitation", by_email=True)
    assert created.status_code == 201
    assert created.json().keys() == {"sent_to", "expires_at"}
    assert created.json()["sent_to"] == ADDRESS
    message = receiver.next()
    assert message["Subject"] == "Invitation to id.example"
    assert (message["To"], message["From"]) == (ADDRESS, SENDER)
    text = message.get_content()
    assert "Your user name: ada" in text
    link = link_in(text)
    assert link.startswith("/invitation/aiv_")
    browser = Browser(deployment.http)
    page = browser.get(link)
    browser.submit(page, link, new_password=PASSWORD, repeated=PASSWORD)
    assert admin.get("/users/ada-id").json()["email_verified"] is True


def test_a_link_ends_with_the_address_to_which_it_was_sent(
    deployment: Deployment, admin: AdminApi, ada: str, receiver: SmtpReceiver
):
    """An address may be corrected because it is somebody else's."""
    admin.post("/users/ada-id/invitation", by_email=True)
    link = link_in(receiver.next().get_content())
    browser = Browser(deployment.http)
    page = browser.get(link)
    with deployment.changing() as work:
        work.users.update(ada, {"email": "ada@example.org"})
    assert browser.submit(page, link, new_password=PASSWORD, repeated=PASSWORD).status == 400
    user = deployment.services.tokens.directory.load_user(ada)
    assert user is not None
    assert user.password_hash is None


def test_a_second_invitation_says_that_the_mailed_one_ends(
    deployment: Deployment, admin: AdminApi, ada: str, receiver: SmtpReceiver
):
    first = admin.post("/users/ada-id/invitation", by_email=True).json()
    second = admin.post("/users/ada-id/invitation")
    assert second.json()["replaces"] == first["expires_at"]
    browser = person(deployment, "boss", ["issuer:admin"])
    page = browser.get("/console/users/ada-id")
    form = {"form": page.form("/console/users/ada-id").fields["form"], "do": "invite"}
    assert "The earlier link, which would have" in browser.post("/console/users/ada-id", form).text


def test_the_link_is_in_no_answer_event_or_log(
    deployment: Deployment,
    admin: AdminApi,
    ada: str,
    receiver: SmtpReceiver,
    caplog: pytest.LogCaptureFixture,
):
    answer = admin.post("/users/ada-id/invitation", by_email=True)
    token = link_in(receiver.next().get_content()).rpartition("/")[2]
    wait_for_mail(deployment)
    audited = admin.get("/audit-events", params={"target": "ada-id"}).json()
    assert {"mail.sent", "invitation.created"} <= {each["action"] for each in audited["items"]}
    said = [answer.text, json.dumps(audited), caplog.text]
    assert not [each for each in said if token in each]
    assert not [each for each in said[1:] if ADDRESS in each]


def test_the_status_of_a_server_shows_how_many_messages_wait(admin: AdminApi):
    queues = {each["name"]: each for each in admin.get("/status").json()["queues"]}
    assert queues["mail"] == {"name": "mail", "tasks": 0, "max": MAX_WAITING}


def test_a_link_that_an_operator_sends_is_shown_and_verifies_nothing(
    admin: AdminApi, ada: str, receiver: SmtpReceiver
):
    assert admin.post("/users/ada-id/invitation").json().keys() == {"url", "expires_at"}
    assert receiver.is_empty


def test_nothing_is_sent_where_the_invitation_is_not_made(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    with pytest.raises(ZeroDivisionError), deployment.changing() as work:
        work.invitations.create(ada, InvitationFields(by_email=True))
        raise ZeroDivisionError
    wait_for_mail(deployment)
    assert receiver.connections == 0


def test_a_user_is_not_sent_invitations_without_end(
    deployment: Deployment, admin: AdminApi, ada: str, receiver: SmtpReceiver
):
    for _ in range(MOST_TO_A_USER):
        assert admin.post("/users/ada-id/invitation", by_email=True).status_code == 201
    before = events(deployment, "invitation.created")
    refused = admin.post("/users/ada-id/invitation", by_email=True)
    assert problem(refused) == (409, "not-allowed")
    assert "an hour" in refused.text
    assert events(deployment, "invitation.created") == before, "the last link still works"


def test_the_address_that_others_set_is_no_way_to_rights_at_the_issuer(
    deployment: Deployment, admin: AdminApi, ada: str, receiver: SmtpReceiver
):
    """Before and after a promotion, invited by an administrator: whoever set the address gets in
    as a user without rights."""
    deployment.role("boss", ["issuer:admin"])
    eve = deployment.user("eve", password=None, id="eve-id", email="eve@evil.example")
    links = []
    for user in (ada, eve):
        assert admin.post(f"/users/{user}/invitation", by_email=True).status_code == 201
        links.append(link_in(receiver.next().get_content()))
    browser = Browser(deployment.http)
    page = browser.get(links[1])
    browser.submit(page, links[1], new_password=PASSWORD, repeated=PASSWORD)
    with deployment.changing() as work:
        for user in (ada, eve):
            work.assignments.assign(user, Assignment(role="boss"))
    assert "Welcome" not in browser.get(links[0]).text
    with pytest.raises(InvalidCredentials):
        deployment.services.sign_in.sign_in.authenticate_first_factor("eve", PASSWORD)
    refused = admin.post("/users/ada-id/invitation", by_email=True)
    assert problem(refused) == (409, "not-allowed")
    assert "without by_email" in refused.text
    assert admin.post("/users/ada-id/invitation").status_code == 201
    assert receiver.is_empty
    text = person(deployment, "other-boss", ["issuer:admin"]).get("/console/users/ada-id").text
    assert "shown to you and not sent" in text
    assert "by_email" not in text


def test_an_administrator_who_creates_an_administrator_sends_the_link_at_once(
    deployment: Deployment, receiver: SmtpReceiver
):
    deployment.role("boss", ["issuer:admin"])
    with deployment.changing() as work:
        user = work.users.create(UserFields(username="bob", email=ADDRESS))
        work.assignments.assign(user.id, Assignment(role="boss"))
        work.invitations.create(user.id, InvitationFields(by_email=True))
    assert "Welcome" in Browser(deployment.http).get(link_in(receiver.next().get_content())).text


def test_an_address_that_cannot_be_used_is_refused(deployment: Deployment, receiver: SmtpReceiver):
    user = deployment.user("bob", password=None, email="a,b@example.com")
    administration = deployment.services.administration
    with pytest.raises(NotAllowed, match="address"), administration.changing(OPERATOR) as work:
        work.invitations.create(user, InvitationFields(by_email=True))


def test_the_console_says_where_the_link_was_sent(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    browser = person(deployment, "boss", ["issuer:admin"])
    page = browser.get("/console/users/ada-id")
    assert f"Send it to {ADDRESS} alone" in page.text
    form = {"form": page.form("/console/users/ada-id").fields["form"], "do": "invite"}
    sent = browser.post("/console/users/ada-id", {**form, "by_email": "yes"})
    assert sent.status == httpx.codes.OK
    assert f"A link is sent to {ADDRESS}" in sent.text
    link = link_in(receiver.next().get_content())
    assert link not in sent.response.text
    assert "Welcome" in browser.get(link).text


def test_a_new_user_of_the_console_is_invited_by_mail(
    deployment: Deployment, receiver: SmtpReceiver
):
    browser = person(deployment, "boss", ["issuer:admin"])
    fields = browser.get("/console/users", new="yes").form("/console/users").fields
    page = browser.post("/console/users", {**fields, "username": "bob", "email": "bob@example.com"})
    assert "A link is sent to bob@example.com" in page.text
    assert "--by-email" in page.text
    assert receiver.next()["To"] == "bob@example.com"


@pytest.fixture
def cli(tmp_path, migrated_database_url: str) -> Cli:
    environment = {
        "ISSUER_URL": "https://id.example",
        "ISSUER_DATA_DIR": str(tmp_path / "data"),
        "ISSUER_SIGNING_ALGORITHMS": "ES256",
        "ISSUER_DATABASE_URL": migrated_database_url,
    }
    cli = Cli(environment)
    cli.done("init")
    cli.done("user", "create", "ada", "--email", ADDRESS)
    return cli


def sending(cli: Cli, receiver: SmtpReceiver) -> Cli:
    settings = sending_through(receiver)
    return cli.with_environment(
        **{f"ISSUER_{name.upper()}": text for name, text in settings.items()}
    )


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_command_sends_before_it_says_so(cli: Cli, receiver: SmtpReceiver):
    refused = cli("user", "invite", "ada", "--by-email")
    assert "needs mail, which is off: set ISSUER_SMTP_URL" in refused.sentence
    mailing = sending(cli, receiver)
    assert mailing.json("user", "invite", "ada", "--by-email").keys() == {
        *("id", "expires_at", "sent_to")
    }
    assert link_in(receiver.next().get_content())
    said = mailing.done("user", "invite", "ada", "--by-email")
    assert said == f"The invitation was sent to {ADDRESS}.\n"
    again = mailing("user", "invite", "ada")
    assert again.out.startswith("https://id.example/invitation/")
    assert "The earlier link no longer works." in again.err
    receiver.answers.append("451 4.7.1 Try again later")
    assert "451 4.7.1 Try again later" in mailing("user", "invite", "ada", "--by-email").sentence


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_test_message_says_what_the_server_answers(cli: Cli, receiver: SmtpReceiver):
    assert "ISSUER_SMTP_URL" in cli("mail", "test", ADDRESS).sentence
    mailing = sending(cli, receiver)
    assert f"accepted the message to {ADDRESS}." in mailing.done("mail", "test", ADDRESS)
    assert receiver.next()["Subject"] == "Test message of id.example"
    receiver.answers.append("550 5.7.1 Not from here")
    assert "550 5.7.1 Not from here" in mailing("mail", "test", ADDRESS).sentence
    assert "cannot receive mail" in mailing("mail", "test", "a,b@example.com").sentence


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_doctor_asks_the_mail_server(cli: Cli):
    with smtp_server() as receiver:
        mailing = sending(cli, receiver)
        assert "It accepts the sender. No message was sent." in mailing.done("doctor")
        assert receiver.is_empty
    result = mailing("doctor")
    assert result.status == 1
    assert "Connection refused" in result.out


def test_without_a_mail_server_nothing_of_it_is_loaded():
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    program = (
        "import sys, issuer.server.app, issuer.server.admin_and_pages, issuer.composition;"
        "print('smtplib' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n"
