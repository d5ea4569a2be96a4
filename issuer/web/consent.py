"""`/consent`: what an application may do for somebody."""

import hashlib
from collections.abc import Mapping

from starlette.responses import Response

from issuer.catalogue.permissions import in_words
from issuer.inspection.components import names_of
from issuer.languages import N_, _
from issuer.scopes import EMAIL, PROFILE
from issuer.sign_in.authorization_request import ConsentNeeded, SignInNeeded
from issuer.web import words
from issuer.web.navigation import FlowEndpoint
from issuer.web.views import ConsentPage
from issuer.web.visit import Visit

_OFFER_CHARACTERS = 32
_CHANGED = N_("What you may do there has just changed. Read it again.")


class ConsentEndpoint(FlowEndpoint):
    """Both decisions are checked against the present state, and against what the page said.

    One that had to wait for a sign-in goes on by itself after it, unless something has changed.
    """

    PATH = "/consent"

    def show(self, visit: Visit) -> Response:
        request = self.open_request(visit)
        if request is None:
            return self.request_gone()
        session, kept_forms = self.site.session(visit), self.site.kept_forms
        step = self.next_step(visit, request, session)
        if session is None or not isinstance(step, ConsentNeeded):
            return self.go(visit, step)
        kept = kept_forms.of(visit.request, session.id, self._here(visit))
        if kept is not None:
            return kept_forms.forget(self.change(visit, kept))
        return self.site.pages.answer(self._page(visit, step))

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        request = self.open_request(visit)
        if request is None:
            return self.request_gone()
        session, flow = self.site.session(visit), self.parts.flow
        decision = form.get("decision")
        if decision == "deny":
            return self.go(visit, flow.deny(request, session, visit.actor))
        step = self.next_step(visit, request, session)
        if session is None or not isinstance(step, ConsentNeeded):
            response = self.go(visit, step)
            if session is not None and isinstance(step, SignInNeeded):
                self.site.kept_forms.keep(response, session.id, self._here(visit), form)
            return response
        if decision != "allow":
            return self.stale(visit, form)
        if form.get("offer") == _offer(step):
            step = flow.allow(step, session, visit.actor)
        if isinstance(step, ConsentNeeded):
            return self.site.pages.answer(self._page(visit, step, _(_CHANGED)), 409)
        return self.go(visit, step)

    def _here(self, visit: Visit) -> str:
        return f"{self.PATH}?request={visit.request_id.partition('.')[0]}"

    def _page(self, visit: Visit, step: ConsentNeeded, notice: str = "") -> ConsentPage:
        agent_os, components = None, None
        with self.parts.administration.reading() as work:
            if step.audience is not None:
                agent_os = words.agent_os_of(work.audiences.get(step.audience.id))
                components = work.inspections.components_of(step.audience.id)
            acting = words.acting_in_words(work, step.acting)
        names = names_of([components] if components else [])
        return ConsentPage(
            user=step.user.username,
            form=self.form(visit),
            application=words.application_of(step.client, step.request.redirect_uri),
            agent_os=agent_os,
            may=in_words(step.scopes, names),
            may_not=in_words(step.not_granted, names),
            acting=acting,
            identity=words.identity_in_words(_identity(step)),
            lasts=words.lasting(step.openid_scopes, self.parts.settings),
            offer=_offer(step),
            notice=notice,
            device=step.request.device,
        )


def _identity(step: ConsentNeeded) -> list[str]:
    """The scopes of OpenID that say what the application learns of the user, by either token."""
    said = (PROFILE, EMAIL) if step.audience is not None and step.audience.include_profile else ()
    return sorted({*step.openid_scopes, *said})


def _offer(step: ConsentNeeded) -> str:
    """A mark of what the page says: the form must name the same."""
    acting = map(repr, step.acting)
    parts = (step.user.id, step.request.audience_id or "", *step.scopes, "", *_identity(step))
    parts += ("", *acting)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_OFFER_CHARACTERS]
