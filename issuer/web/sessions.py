"""Beginning sessions after a sign-in."""

from collections.abc import Sequence

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.sign_in.passkey_sign_in import PasskeyUse
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.navigation import Navigation
from issuer.web.site import Site
from issuer.web.visit import Visit

_SECOND_FACTOR, _AUTHENTICATOR = "/sign-in/second-factor", "/sign-in/authenticator"


class SessionStarter:
    """Each sign-in gives the session a new cookie, so that nobody can plant one (fixation)."""

    def __init__(self, site: Site, navigation: Navigation) -> None:
        self._site = site
        self._navigation = navigation
        self._sessions = site.parts.people.sessions

    def after_password(self, visit: Visit, user: UserRecord, methods: Sequence[str]) -> Response:
        """The redirect to what comes next; `InvalidCredentials` if the user was just changed."""
        is_due = user.has_second_factor or self._requires_second_factor
        session, cookie = self._sessions.begin(
            user,
            methods,
            visit.actor,
            visit.request.headers.get("user-agent"),
            second_factor_due=is_due,
            renewing=self._site.session_of_browser(visit),
        )
        if not is_due:
            return self._site.signed_in(self._navigation.after_sign_in(visit, session), cookie)
        page = _SECOND_FACTOR if user.has_second_factor else _AUTHENTICATOR
        response = self._site.to(page, request=visit.request_id, next=visit.next)
        return self._site.signed_in(response, cookie)

    def after_passkey(self, visit: Visit, use: PasskeyUse) -> Response:
        """Begin a session for a passkey that verified the user, which is both factors."""
        session, cookie = self.begun(visit, use)
        return self._site.signed_in(self._navigation.after_sign_in(visit, session), cookie)

    def begun(self, visit: Visit, use: PasskeyUse) -> tuple[SignInSession, str]:
        """A session after such a passkey, and its cookie."""
        return self._sessions.begin(
            use.user,
            use.methods,
            visit.actor,
            visit.request.headers.get("user-agent"),
            renewing=self._site.session_of_browser(visit),
            passkey=use.credential_id,
        )

    def is_fresh_enough(self, session: SignInSession, visit: Visit) -> bool:
        """Whether the session will do for the page that the visit goes to next."""
        return not visit.next or self._site.is_fresh(session)

    @property
    def _requires_second_factor(self) -> bool:
        return self._site.parts.settings.second_factor == "required"
