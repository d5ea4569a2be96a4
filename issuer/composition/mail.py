"""How messages are sent, where `ISSUER_SMTP_URL` is set."""

from urllib.parse import urlsplit

from issuer.composition.foundation import Foundation
from issuer.database import Session
from issuer.keys import sealed_secrets_store as purposes
from issuer.mail import Mailer, Outbox, Texts


class MailParts:
    """`server` and `mailer` are None where mail is off, and so is every `outbox`."""

    def __init__(self, foundation: Foundation) -> None:
        settings, clock = foundation.settings, foundation.clock
        url = urlsplit(settings.url)
        self.texts = Texts(settings.url, f"{url.netloc}{url.path}")
        self.server = self.mailer = None
        self._clock = clock
        self._key = foundation.derived(purposes.MAIL_COUNTS)
        if settings.smtp_url is None:
            return
        # Imported here: most issuers send nothing.
        from issuer.mail.smtp import SmtpServer  # noqa: PLC0415

        self.server = SmtpServer(settings, clock, foundation.random)
        self.mailer = Mailer(
            self.server, foundation.database, foundation.trails, clock, foundation.metrics
        )

    def outbox(self, session: Session) -> Outbox | None:
        """Takes the messages of a transaction."""
        return Outbox(session, self._clock, self._key) if self.mailer else None
