"""How messages are sent, where `ISSUER_SMTP_URL` is set."""

from typing import TYPE_CHECKING

from issuer.composition.foundation import Foundation
from issuer.database import Session
from issuer.keys import sealed_secrets_store as purposes
from issuer.mail import Outbox, Texts

if TYPE_CHECKING:
    from issuer.mail.mailer import Mailer
    from issuer.mail.smtp import SmtpServer
    from issuer.sign_in.new_places import NewPlaceNotes


class MailParts:
    """`server`, `mailer` and `new_places` are None where mail is off."""

    def __init__(self, foundation: Foundation) -> None:
        settings, clock, database = foundation.settings, foundation.clock, foundation.database
        self.texts = Texts(settings.url, settings.shown_name, settings.language)
        self.server: SmtpServer | None = None
        self.mailer: Mailer | None = None
        self.new_places: NewPlaceNotes | None = None
        self._clock = clock
        self._key = foundation.derive(purposes.MAIL_COUNTS)
        if settings.smtp_url is None:
            return
        # Imported here: most issuers send nothing.
        from issuer.mail import mailer, smtp  # noqa: PLC0415 - for administrators
        from issuer.sign_in import new_places  # noqa: PLC0415 - for administrators

        self.server = smtp.SmtpServer(settings, clock, foundation.random)
        self.mailer = mailer.Mailer(
            self.server, database, foundation.trails, clock, foundation.metrics
        )
        self.new_places = new_places.NewPlaceNotes(database, self.mailer, self.outbox, self.texts)

    def outbox(self, session: Session) -> Outbox:
        """Takes the messages of a transaction."""
        return Outbox(session, self._clock, self._key)
