"""Mail to people: which messages there are, and how they are sent.

`Outbox` takes messages in the transaction that decides on them, `Mailer` sends them after it, in a
thread of its own. `issuer/mail/smtp.py` is imported only where `ISSUER_SMTP_URL` is set.
"""

from issuer.mail.mailer import Mailer
from issuer.mail.messages import MailMessage, Texts
from issuer.mail.outbox import NotSent, Outbox

__all__ = ["MailMessage", "Mailer", "NotSent", "Outbox", "Texts"]
