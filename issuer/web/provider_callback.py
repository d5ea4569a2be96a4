"""Signing in with an account of a trusted issuer: the way back, and what the person is told."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials, IssuerError, NotAllowed, TooManyRequests
from issuer.federation.metadata import ProviderAway
from issuer.fields.text import escape
from issuer.http.cookies import PROVIDER_REQUEST
from issuer.languages import N_, _
from issuer.sign_in.authorization_request import SignInNeeded
from issuer.sign_in.identities import Arrival, ArrivalRefused, Refused
from issuer.sign_in.provider_claims import ProviderClaims
from issuer.sign_in.provider_request import (
    NotRecent,
    ProviderRequest,
    SignInDeclined,
    UnknownRequest,
)
from issuer.sign_in.sessions import ProviderProof
from issuer.sign_in.sessions_store import SignInSession
from issuer.web import words
from issuer.web.providers import BeginsElsewhere
from issuer.web.sessions import SigningInEndpoint
from issuer.web.views import ProblemPage
from issuer.web.visit import Visit
from issuer.web.words import issuer_name

_MAX_METHODS, _MAX_METHOD = 10, 32
_SHOWN_GROUPS = 10


class LinkRefused(InvalidCredentials):
    """The account is not linked, which the person is told."""


class SessionEnded(InvalidCredentials):
    """The session in which an account is linked ended, or its sign-in is not recent any more."""


class TrustedIssuerChanged(InvalidCredentials):
    """The trusted issuer was changed or deleted since the sign-in began."""


class TrialFailed(InvalidCredentials):
    """An administrator tried to sign in, and is told the reason."""


class Unanswered(IssuerError):
    """The provider cannot be asked: the person gets this `page`, and nothing was checked."""

    def __init__(self, page: Response) -> None:
        self.page = page


class CallbackEndpoint(BeginsElsewhere, SigningInEndpoint):
    """Where a trusted issuer sends the browser back to, at an address of its own.

    An answer counts once, in the browser that asked, and only from the issuer that was asked.
    """

    PATH = "/sign-in/callback/{issuer}"

    def path(self, visit: Visit) -> str:
        return "/sign-in"

    async def present(self, visit: Visit) -> Response:
        response = await self._answer(visit)
        cookie = PROVIDER_REQUEST + visit.query.get("state", "")
        if self.site.cookies.value(visit.request, cookie) is not None:
            self.site.cookies.delete(response, cookie)
        return response

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.site.to("/sign-in")

    async def _answer(self, visit: Visit) -> Response:
        issuer_id: str = visit.request.path_params["issuer"]
        arriving = partial(self._arrive, visit, issuer_id)
        try:
            return await self.site.checks.elsewhere(visit.request, issuer_id, arriving)
        except Unanswered as unanswered:
            return unanswered.page
        except TrialFailed as error:
            return self.tried(issuer_id, f"It failed: {error.reason}.")
        except TooManyRequests as error:
            page = ProblemPage(
                heading=_("Too many attempts to sign in"), sentence=words.try_again_in(error)
            )
            return await self.too_many(error, partial(self.site.pages.problem, page))
        except InvalidCredentials as error:
            page = await self.site.queries.run(self._refusal, visit, issuer_id, error)
            return self.site.pages.problem(page)

    async def _arrive(self, visit: Visit, issuer_id: str) -> Response:
        requests, cookies = self.parts.provider_requests, self.site.cookies
        request = requests.find(
            visit.query.get("state", ""),
            issuer_id,
            lambda state: cookies.value(visit.request, PROVIDER_REQUEST + state),
        )
        visit = replace(visit, request_id=request.request_id, next=request.next)
        issuer = await self.site.queries.run(self._issuer_of, request)
        try:
            claims = await self.parts.provider_sign_in().claims(issuer, request, visit.query)
        except ProviderAway as error:
            page = self.away(visit, issuer, error, is_trial=request.is_trial)
            raise Unanswered(page) from error
        except InvalidCredentials as error:
            raise TrialFailed(error.reason) if request.is_trial else error from None
        return await self.site.queries.run(self._enter, visit, issuer, request, claims)

    def _issuer_of(self, request: ProviderRequest) -> TrustedIssuerRecord:
        """The issuer that was asked, if it is still the same; the request is used up."""
        self.parts.provider_requests.use(request)
        issuer = self.parts.directory.trusted_issuer(request.issuer_id)
        if issuer is None or not issuer.is_for_people or issuer.issuer != request.issuer:
            raise TrustedIssuerChanged("the trusted issuer was changed since the sign-in began")
        return issuer

    def _enter(
        self,
        visit: Visit,
        issuer: TrustedIssuerRecord,
        request: ProviderRequest,
        claims: ProviderClaims,
    ) -> Response:
        if request.is_trial:
            return self._try(visit, issuer, request.session_id, claims)
        if request.session_id:
            return self._link(visit, issuer, request.session_id, claims)
        if request.invitation:
            arrival = self._accept_invitation(visit, issuer, request.invitation, claims)
            opens_console = self.site.opens_console(arrival.user)
            visit = replace(visit, next="/console" if opens_console else "")
        else:
            with self.parts.administration.changing(visit.actor, held=()) as work:
                arrival = work.identities.arrive(issuer, claims)
        if sentence := self.must_go_elsewhere(arrival.user, issuer.id):
            heading = _(
                "You could not be signed in with %(provider)s", provider=issuer_name(issuer)
            )
            return self.site.pages.problem(ProblemPage(heading=heading, sentence=sentence))
        return self._sign_in(visit, issuer, request, arrival, claims)

    def _try(
        self, visit: Visit, issuer: TrustedIssuerRecord, session_id: str, claims: ProviderClaims
    ) -> Response:
        """Tell the administrator whom the issuer vouches for, and what a sign-in would do."""
        session = self.site.session(visit)
        if session is None or session.id != session_id or not self.may_try(session):
            raise UnknownRequest("the session in which it was tried has ended")
        changing = self.parts.administration.changing(visit.actor, held=(), dry_run=True)
        try:
            with changing as work:
                arrival = work.identities.arrive(issuer, claims)
        except ArrivalRefused as error:
            then = f"A sign-in would be refused: {error.reason}."
        else:
            whose = "a new user" if arrival.is_new else "the user"
            then = f"A sign-in would be that of {whose} {arrival.user.username}."
        return self.tried(issuer.id, f"It works: {_in_short(claims)}. {then}")

    def _link(
        self, visit: Visit, issuer: TrustedIssuerRecord, session_id: str, claims: ProviderClaims
    ) -> Response:
        session = self.site.session(visit)
        if session is None or session.id != session_id or not self.site.is_fresh(session):
            raise SessionEnded("the session in which an account is linked has ended")
        assert issuer.sign_in is not None
        if (name := claims.first_missing(issuer.sign_in.required_claims)) is not None:
            raise ArrivalRefused(Refused.CLAIM, f": {name}", session.user_id)
        try:
            with self.site.changing(session, visit) as work:
                grantor = work.authority.grantor_to(session.user_id)
                account = (session.user_id, issuer.id, claims.subject, claims.name)
                work.identities.link(*account, grantor)
        except NotAllowed as error:
            raise LinkRefused(str(error), session.user_id) from None
        return self.site.to("/account", done="linked")

    def _accept_invitation(
        self, visit: Visit, issuer: TrustedIssuerRecord, token: str, claims: ProviderClaims
    ) -> Arrival:
        try:
            with self.parts.administration.changing(visit.actor) as work:
                account = (issuer.id, claims.subject, claims.name)
                work.invitations.accept_with_account(token, *account)
                return work.identities.arrive(issuer, claims)
        except NotAllowed as error:
            raise LinkRefused(str(error)) from None

    def _sign_in(
        self,
        visit: Visit,
        issuer: TrustedIssuerRecord,
        request: ProviderRequest,
        arrival: Arrival,
        claims: ProviderClaims,
    ) -> Response:
        # Another process may just have revoked the tokens of the user.
        self.parts.changes.poll()
        # Where nobody says when: so long ago that it is recent for nothing.
        long_ago = self.parts.clock() - self.parts.settings.fresh_sign_in
        authenticated_at = claims.auth_time or long_ago
        if request.max_age == 0:  # checked, as far as two clocks agree
            authenticated_at = max(authenticated_at, request.created_at)
        proof = ProviderProof(
            arrival.identity_id,
            authenticated_at,
            claims.session_id,
            claims.no_groups,
            self.parts.provider_sign_out.seal(issuer, claims),
        )
        user, methods = arrival.user, _methods(claims)
        # Nothing was guessed, so no lock of the user keeps them out; the address is known now.
        guard = self.parts.guard
        attempt = guard.begin(user.id, "", visit.actor.address)
        if self.is_second_factor_due(user, methods):
            guard.give_back(attempt)
        else:
            guard.end(attempt, visit.actor, succeeded=True)
        return self.after_first_factor(visit, user, methods, proof)

    def after_sign_in(self, visit: Visit, session: SignInSession) -> Response:
        """Never back to the trusted issuer by itself: that would not end."""
        request = self.open_request(visit)
        if request is None:
            return super().after_sign_in(visit, session)
        step = self.next_step(visit, request, session)
        if not isinstance(step, SignInNeeded):
            return self.go(visit, step)
        page = ProblemPage(
            heading=_("The application wants another sign-in"),
            sentence=_(
                "It asks for a newer one, or for somebody else. Sign out at the other issuer, or"
                " sign in with a password or a passkey."
            ),
            way_back=self.local_path(visit),
            way_back_says=_("Back to the sign-in"),
        )
        return self.site.pages.problem(page)

    def _refusal(self, visit: Visit, issuer_id: str, error: InvalidCredentials) -> ProblemPage:
        """What the person is told; the log and the audit log have the reason."""
        issuer = self.parts.directory.trusted_issuer(issuer_id)
        name = issuer_name(issuer) if issuer else issuer_id
        heading, sentence = _in_words(error, name)
        is_signed_in = self.site.session(visit) is not None
        return ProblemPage(
            heading=heading,
            sentence=sentence,
            way_back=self.site.base + "/account" if is_signed_in else self.local_path(visit),
            way_back_says=_("To your account") if is_signed_in else _("Back to the sign-in"),
        )


_REFUSED = {
    Refused.CLAIM: N_(
        "Your account at %(provider)s may not be used here. Ask whoever runs this issuer for"
        " access."
    ),
    Refused.NOT_LINKED: N_(
        "You signed in at %(provider)s, and no user here is linked to that account. Ask"
        " whoever runs this issuer for an invitation, or sign in another way and link it on your"
        " account page."
    ),
    Refused.NO_USERNAME: N_(
        "%(provider)s did not say a user name that can be used here. Ask whoever runs this issuer."
    ),
    Refused.USERNAME_TAKEN: N_(
        "A user here has the same user name as your account at %(provider)s, and the"
        " two are not linked. If that is you, sign in another way and link it on your account page;"
        " else ask whoever runs this issuer."
    ),
    Refused.DISABLED: N_("Your user here is disabled. Ask whoever runs this issuer."),
    Refused.NOT_BY_ADMIN: N_(
        "A group at %(provider)s would let you administer this issuer, and no"
        " administrator has linked your account there. Ask one of them to do that."
    ),
}


# Headings and sentences.
_FAILED = {
    SignInDeclined: (
        N_("You did not sign in at %(provider)s"),
        N_("Nothing was changed here. Try again, or sign in another way."),
    ),
    NotRecent: (
        N_("This needs a sign-in of just now"),
        N_(
            "%(provider)s did not confirm that you have just signed in there. Sign in here with"
            " a password or a passkey instead."
        ),
    ),
    UnknownRequest: (
        N_("This sign-in cannot be finished here"),
        N_(
            "It was finished already, is older than ten minutes, or was begun in another"
            " browser. Nothing was changed. If you did not begin it yourself, close this page."
        ),
    ),
    SessionEnded: (
        N_("The account was not linked"),
        N_(
            "The session in which you began has ended, or you signed in more than ten minutes"
            " ago. Sign in here again, and link the account on your account page."
        ),
    ),
    TrustedIssuerChanged: (
        N_("You could not be signed in with %(provider)s"),
        N_(
            "The settings for %(provider)s were changed here after you began. Try again, or"
            " sign in another way."
        ),
    ),
    InvalidCredentials: (
        N_("You could not be signed in with %(provider)s"),
        N_(
            "%(provider)s gave an answer that cannot be trusted. Nothing was changed. Try again;"
            " if it happens again, tell whoever runs this issuer the number below."
        ),
    ),
}


def _in_words(error: InvalidCredentials, name: str) -> tuple[str, str]:
    """Heading and sentence of the page."""
    match error:
        case LinkRefused():
            return _("The account was not linked"), _(error.reason)
        case ArrivalRefused(why=why) if why in _REFUSED:
            heading, sentence = N_("You cannot use %(provider)s here yet"), _REFUSED[why]
        case _:
            heading, sentence = _FAILED.get(type(error), _FAILED[InvalidCredentials])
    return _(heading, provider=name), _(sentence, provider=name)


def _in_short(claims: ProviderClaims) -> str:
    """Whom the issuer vouches for, on one line."""
    groups = sorted(claims.groups or ())
    named, more = ", ".join(groups[:_SHOWN_GROUPS]), len(groups) - _SHOWN_GROUPS
    within = f"in the groups {named}" if groups else claims.no_groups or "in no group"
    others = f" and {more:,} more" if more > 0 else ""
    return escape(f"you are {claims.name} there (sub {claims.subject}), {within}{others}")


def _methods(claims: ProviderClaims) -> tuple[str, ...]:
    """The methods of authentication that the issuer names (RFC 8176), as an ID token has them."""
    named = [each for each in claims.amr if len(each) <= _MAX_METHOD][:_MAX_METHODS]
    return tuple(dict.fromkeys([*named, *(["mfa"] if claims.is_multi_factor else [])]))
