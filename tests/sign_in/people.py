"""People with second factors, as their pages would set them up."""

from dataclasses import dataclass, field
from datetime import timedelta

from pyotp import TOTP

from issuer.audit import Actor, EventFilter
from issuer.errors import InvalidCredentials
from issuer.sign_in.passkey_sign_in import PasskeyUse
from tests.builders import URL, Deployment, FakeClock
from tests.sign_in.authenticator import Authenticator

BROWSER = "secret value of one browser"
_A_MINUTE = timedelta(minutes=1)
HOME, ATTACKER = Actor("app", "r-1", "192.0.2.1"), Actor("app", "r-2", "198.51.100.66")


@dataclass
class AuthenticatorApp:
    """The app on a phone, and the recovery codes that were shown when it was set up."""

    secret: str
    clock: FakeClock
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps_ahead: int = 0) -> str:
        return TOTP(self.secret).at(self.clock(), counter_offset=steps_ahead)


class People:
    def __init__(self, deployment: Deployment, clock: FakeClock) -> None:
        self.deployment = deployment
        self.clock = clock
        self.parts = deployment.services.factors

    def app_of(self, user_id: str) -> AuthenticatorApp:
        """An authenticator app that was confirmed, a minute ago."""
        with self.deployment.changing() as work:
            setup = work.factors.begin_totp(user_id)
            app = AuthenticatorApp(setup.secret, self.clock)
            app.recovery_codes = work.factors.confirm_totp(user_id, setup.sealed, app.code())
        self.deployment.wait(_A_MINUTE)
        return app

    def passkey_of(self, user_id: str, **how: bool) -> Authenticator:
        """A passkey that was registered on the account page."""
        authenticator = Authenticator(URL, **how)
        options = self.parts.passkeys.registration_options(
            user_id, "alice", BROWSER, [], must_verify_user=False
        )
        answer = authenticator.create(options)
        passkey = self.parts.passkeys.verify_registration(
            answer, user_id, BROWSER, must_verify_user=False
        )
        with self.deployment.changing() as work:
            work.factors.add_passkey(passkey, "Laptop")
        return authenticator

    def sign_in(
        self, authenticator: Authenticator, user_id: str | None = None, browser: str = BROWSER
    ) -> PasskeyUse:
        options = self.parts.passkey_sign_in.begin(browser, user_id)
        answer = authenticator.get(options)
        return self.parts.passkey_sign_in.finish(answer, browser, HOME, user_id)

    def check(self, user_id: str, code: str, actor: Actor = HOME) -> str:
        """`done`, or the reason for the refusal, which only the audit log has."""
        try:
            self.parts.second_factor.check_code(user_id, code, actor)
        except InvalidCredentials as error:
            return error.reason
        return "done"

    def events(self, action: str) -> list[dict[str, object]]:
        with self.deployment.services.administration.reading() as work:
            found = work.audit_log.page(EventFilter(action=action), None, 100)
        return [dict(event.details) for event in found]
