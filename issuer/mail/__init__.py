"""Mail to people: which messages there are, and how they are sent.

`Outbox` takes messages in the transaction that decides on them, `Mailer` sends them after it, in a
thread of its own. Both it and `issuer/mail/smtp.py` are imported only with `ISSUER_SMTP_URL`.
"""

from issuer.mail.messages import MailMessage, NotSent, Outbox, Texts

__all__ = ["MailMessage", "NotSent", "Outbox", "Texts"]
