"""Sessions begin after a sign-in, and end at `/sign-out`."""

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.http.cookies import LOGOUT_REQUEST
from issuer.http.requests import see_other
from issuer.languages import speak
from issuer.sign_in.authorization_request import VALID_FOR
from issuer.sign_in.logout import LogoutRequest
from issuer.sign_in.passkey_sign_in import PasskeyUse
from issuer.sign_in.provider_sign_out import SIGN_OUT_PATH
from issuer.sign_in.sessions import ProviderProof
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.navigation import FlowEndpoint
from issuer.web.site import PageEndpoint
from issuer.web.views import SignedOutPage, SignOutPage
from issuer.web.visit import Visit
from issuer.web.words import issuer_name, name_of

_SECOND_FACTOR, _AUTHENTICATOR = "/sign-in/second-factor", "/sign-in/authenticator"


class SigningInEndpoint(FlowEndpoint):
    """Each sign-in gives the session a new cookie, so that nobody can plant one (fixation)."""

    def is_second_factor_due(self, user: UserRecord, methods: Sequence[str]) -> bool:
        """Whether it must still be asked for: a trusted issuer may have done that."""
        is_needed = user.has_second_factor or self.parts.settings.second_factor == "required"
        return is_needed and "mfa" not in methods

    def after_first_factor(
        self,
        visit: Visit,
        user: UserRecord,
        methods: Sequence[str],
        provider: ProviderProof | None = None,
    ) -> Response:
        """The redirect to what comes next; `InvalidCredentials` if the user was just changed."""
        is_due = self.is_second_factor_due(user, methods)
        session, cookie = self.parts.sessions.begin(
            user,
            methods,
            visit.actor,
            visit.request.headers.get("user-agent"),
            second_factor_due=is_due,
            renewing=self.site.session_of_browser(visit),
            provider=provider,
        )
        if not is_due:
            return self.site.sign_in(self.after_sign_in(visit, session), cookie)
        page = _SECOND_FACTOR if user.has_second_factor else _AUTHENTICATOR
        response = self.site.to(page, request=visit.request_id, next=visit.next)
        return self.site.sign_in(response, cookie)

    def after_passkey(self, visit: Visit, use: PasskeyUse) -> Response:
        """Begin a session for a passkey that verified the user, which is both factors."""
        session, cookie = self.begin(visit, use)
        return self.site.sign_in(self.after_sign_in(visit, session), cookie)

    def begin(self, visit: Visit, use: PasskeyUse) -> tuple[SignInSession, str]:
        """A session after such a passkey, and its cookie."""
        return self.parts.sessions.begin(
            use.user,
            use.methods,
            visit.actor,
            visit.request.headers.get("user-agent"),
            renewing=self.site.session_of_browser(visit),
            passkey=use.credential_id,
        )


class SignOutEndpoint(PageEndpoint):
    PATH = SIGN_OUT_PATH

    def choose_language(self, visit: Visit) -> None:
        request = self._request(visit) or self._returning(visit)
        if request is not None and request.ui_locale is not None:
            speak(request.ui_locale)

    def show(self, visit: Visit) -> Response:
        """A browser that comes back from a trusted issuer goes on to the application, once."""
        if (returning := self._returning(visit)) is None:
            return self._show(visit)
        url = returning.return_to
        response = self._show(visit) if url is None else see_other(url)
        self.site.cookies.delete(response, LOGOUT_REQUEST + returning.id)
        return response

    def _show(self, visit: Visit) -> Response:
        session = self.site.session_of_browser(visit)
        user = self.parts.directory.load_user(session.user_id) if session else None
        if session is None or user is None:
            issuer = self.parts.directory.trusted_issuer(visit.query.get("still", ""))
            still_at = issuer_name(issuer) if issuer and issuer.is_for_people else ""
            return self.site.pages.answer(SignedOutPage(still_at=still_at))
        request = self._request(visit)
        client_id = request.client_id if request else None
        client = self.parts.directory.load_client(client_id) if client_id else None
        page = SignOutPage(
            user=user.username,
            form=self.form(visit),
            application=name_of(client) if client else "",
            leads_elsewhere=self.parts.provider_sign_out.url_for(session, "") is not None,
        )
        return self.site.pages.answer(page)

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session, request = self.site.session_of_browser(visit), self._request(visit)
        response, still_at = None, ""
        if session is not None:
            self.parts.sessions.sign_out(session, visit.actor.known_as(session.user_id))
            response = self._to_provider(visit, session, request)
            issuer = self.parts.provider_sign_out.issuer_of(session)
            still_at = issuer.id if issuer else ""
        if response is None and request is not None and request.return_to is not None:
            response = see_other(request.return_to)
        if response is None:
            kept = request.id if request and request.ui_locale else ""  # for its language
            return self.site.sign_out(self.site.to(self.PATH, request=kept, still=still_at))
        if request is not None:
            self.site.cookies.delete(response, LOGOUT_REQUEST + request.id)
        return self.site.sign_out(response)

    def _to_provider(
        self, visit: Visit, session: SignInSession, request: LogoutRequest | None
    ) -> Response | None:
        """To the trusted issuer where the session began, if that signs people out."""
        requests = self.parts.logout_requests
        elsewhere = requests.elsewhere(request)
        url = self.parts.provider_sign_out.url_for(session, elsewhere.id)
        if url is None:
            return None
        response, began_at = see_other(url), self.parts.request_began_at
        kept = (LOGOUT_REQUEST + elsewhere.id, requests.seal(elsewhere))
        self.site.cookies.keep_request(visit.request, response, *kept, began_at, VALID_FOR)
        return response

    def _request(self, visit: Visit) -> LogoutRequest | None:
        request = self._kept(visit, visit.request_id)
        return request if request and not request.is_elsewhere else None

    def _returning(self, visit: Visit) -> LogoutRequest | None:
        """What this browser went to a trusted issuer for (RP-Initiated Logout §3)."""
        request = self._kept(visit, visit.query.get("state", ""))
        return request if request and request.is_elsewhere else None

    def _kept(self, visit: Visit, request_id: str) -> LogoutRequest | None:
        sealed = self.site.cookies.value(visit.request, LOGOUT_REQUEST + request_id)
        request = self.parts.logout_requests.open(sealed) if sealed else None
        return request if request and request.id == request_id else None
