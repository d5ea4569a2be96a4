"""`issuer mail`."""

from issuer.cli import output
from issuer.cli.command import argument, new_app
from issuer.cli.opening import read_settings
from issuer.composition import composed
from issuer.errors import ConfigurationError, InvalidField
from issuer.fields.fields import can_receive_mail

app = new_app("The mail server that sends messages of the issuer.")


@app.callback()
def mail() -> None:
    """The mail server that sends messages of the issuer."""


@app.command("test")
def send_test_message(
    address: str = argument("ADDRESS", "The address to send to."),
) -> None:
    """Send a test message now, and say what the mail server answers.

    If it is refused, the exit status is 1. `issuer doctor` checks the server without a message.

    Examples:

      issuer mail test alice@example.com
    """
    if not can_receive_mail(address):
        raise InvalidField("ADDRESS", "cannot receive mail")
    with composed(read_settings()) as parts:
        if parts.mail.server is None:
            raise ConfigurationError("Mail is off: set ISSUER_SMTP_URL and ISSUER_SMTP_FROM.")
        parts.mail.server.send(parts.mail.texts.test(address))
        server = parts.mail.server.name
    sentence = f"{server} accepted the message to {address}."
    output.say(sentence, {"server": server, "sent_to": address})
