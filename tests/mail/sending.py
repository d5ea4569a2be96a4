"""An issuer that sends through a mail server of the tests."""

import re

from issuer.audit import EventFilter
from issuer.audit.audit_log_store import AuditEvent
from tests.builders import URL, Deployment
from tests.journeys.running_issuer import wait_until
from tests.mail.smtp_server import SmtpReceiver

SENDER = "Our Issuer <id@mail.example>"


def sending_through(receiver: SmtpReceiver) -> dict[str, str]:
    """Its settings."""
    return {"smtp_url": f"smtp://{receiver.host}:{receiver.port}", "smtp_from": SENDER}


def wait_for_mail(deployment: Deployment) -> None:
    """Until everything that is due is sent, or refused for good."""
    mailer = deployment.services.mail.mailer
    assert mailer is not None
    wait_until(lambda: not mailer.waiting, 20, "everything is sent")


def link_in(text: str) -> str:
    """The path of the link that a message holds."""
    (link,) = re.findall(rf"^{re.escape(URL)}(/\S+)\s*$", text, re.MULTILINE)
    return link


def events(deployment: Deployment, action: str) -> list[AuditEvent]:
    with deployment.services.administration.reading() as work:
        return list(work.audit_log.page(EventFilter(action=action), None, 100))
