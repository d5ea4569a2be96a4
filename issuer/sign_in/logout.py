"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from random import Random

from issuer.clock import Clock
from issuer.database.store import new_id
from issuer.directory import ClientRecord
from issuer.errors import InvalidCredentials
from issuer.fields.urls import is_client_id, is_registered
from issuer.keys.sealing import SealedTexts
from issuer.languages import N_
from issuer.languages.catalogues import first_known
from issuer.sign_in.authorization_request import (
    RequestProblem,
    invalid_request,
    unless_expired,
    with_parameters,
)
from issuer.sign_in.validation import FindClient
from issuer.tokens.reading import IdTokenReader

_MAX_STATE = 1_000
_MAX_SHOWN = 60
_problem = partial(invalid_request, section="OpenID Connect RP-Initiated Logout §2")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A valid request. `session_id` is that of the ID token that the client sent, if it did.

    `redirects_unasked`: an administrator registered the client, so that its addresses are trusted
    although no person has acted (RFC 9700 §4.11.2). `ui_locale` is the first of `ui_locales` that
    the pages have. `is_elsewhere`: the browser signs out at a trusted issuer, and comes back with
    the `id` as `state`.
    """

    id: str
    client_id: str | None
    session_id: str | None
    return_to: str | None = field(repr=False)
    redirects_unasked: bool
    created_at: datetime
    ui_locale: str | None = None
    is_elsewhere: bool = False


@dataclass(eq=False, repr=False)
class LogoutRequests:
    """Validates requests, and seals them for a cookie until the person has confirmed."""

    _texts: SealedTexts
    _clock: Clock
    _random: Random
    _id_tokens: IdTokenReader
    _find_client: FindClient

    def validate(self, parameters: Sequence[tuple[str, str]]) -> LogoutRequest | RequestProblem:
        """The request; a page for anything wrong, so that nobody is sent to an unknown address."""
        if problem := _repetition(parameters):
            return problem
        given = {name: value for name, value in parameters if value}
        named = self._client_and_session(given)
        if isinstance(named, RequestProblem):
            return named
        client_id, session_id = named
        client = self._find_client(client_id) if client_id else None
        if problem := _redirect_problem(client, client_id, given):
            return problem
        return_to = given.get("post_logout_redirect_uri")
        if return_to is not None and "state" in given:
            return_to = with_parameters(return_to, {"state": given["state"]})
        return LogoutRequest(
            id=new_id("", self._random),
            client_id=client.client_id if client else None,
            session_id=session_id,
            return_to=return_to,
            redirects_unasked=client is not None and not client.is_self_registered,
            created_at=self._clock(),
            ui_locale=first_known(given.get("ui_locales", "").split()),
        )

    def elsewhere(self, request: LogoutRequest | None) -> LogoutRequest:
        """What the browser keeps while it signs out at a trusted issuer, for `request` if any."""
        id_, now = new_id("", self._random), self._clock()
        if request is None:
            request = LogoutRequest(id_, None, None, None, redirects_unasked=False, created_at=now)
        return replace(request, id=id_, created_at=now, is_elsewhere=True)

    def _client_and_session(
        self, given: Mapping[str, str]
    ) -> tuple[str | None, str | None] | RequestProblem:
        """The ids of the client that asks, and of the session of its ID token."""
        client_id, hint = given.get("client_id"), given.get("id_token_hint")
        if hint is None:
            return client_id, None
        hinted, session_id = self._read_hint(hint)
        if hinted is None:
            sentence = "The ID token is not one of this issuer."
            return _problem(sentence, "id_token_hint", hint, longest=_MAX_SHOWN)
        if client_id not in {None, hinted}:
            return _problem("The ID token was issued to another client.", "client_id", client_id)
        return hinted, session_id

    def _read_hint(self, id_token: str) -> tuple[str | None, str | None]:
        """Client and session of an ID token; no session once its key is gone."""
        try:
            hint = self._id_tokens.read_although_expired(id_token)
        except InvalidCredentials:
            named = self._id_tokens.unverified_client(id_token)
            return (named if isinstance(named, str) and is_client_id(named) else None), None
        return hint.client_id, hint.sid

    def seal(self, request: LogoutRequest) -> str:
        members = asdict(request) | {"created_at": request.created_at.timestamp()}
        for name in ("ui_locale", "is_elsewhere"):
            if not members[name]:
                del members[name]  # which earlier versions do not know
        return self._texts.seal(json.dumps(members))

    def open(self, sealed: str) -> LogoutRequest | None:
        """The request; None if it expired or was not sealed here."""
        members = unless_expired(self._texts.open(sealed), self._clock())
        return LogoutRequest(**members) if members else None


def _repetition(parameters: Sequence[tuple[str, str]]) -> RequestProblem | None:
    repeated = [name for name, times in Counter(n for n, _ in parameters).items() if times > 1]
    if not repeated:
        return None
    values = ", ".join(value for name, value in parameters if name == repeated[0])
    return _problem("A parameter is repeated.", repeated[0][:50], values)


def _redirect_problem(
    client: ClientRecord | None, client_id: str | None, given: dict[str, str]
) -> RequestProblem | None:
    if len(state := given.get("state", "")) > _MAX_STATE:
        sentence = f"The parameter state is too long: at most {_MAX_STATE:,} characters."
        return _problem(sentence, "state", state, longest=_MAX_SHOWN)
    if (uri := given.get("post_logout_redirect_uri")) is None:
        return None
    if client is None:
        sentence = (
            N_("The application is not known here.")
            if client_id
            else "The application asked to return to an address, but did not say which application"
            " it is. It must send client_id or id_token_hint."
        )
        return _problem(sentence, "client_id", client_id)
    if is_registered(uri, client.post_logout_redirect_uris):
        return None
    sentence = N_("The application asked to return to an address that is not registered for it.")
    registered = client.post_logout_redirect_uris
    return _problem(sentence, "post_logout_redirect_uri", uri, registered=registered)
