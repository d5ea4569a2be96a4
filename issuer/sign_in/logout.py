"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0)."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from random import Random

from issuer.clock import Clock
from issuer.database.principals import new_id
from issuer.directory import ClientRecord
from issuer.errors import InvalidCredentials
from issuer.redirect_uris import is_registered
from issuer.sign_in.authorization_request import VALID_FOR
from issuer.sign_in.outcomes import RequestProblem, with_parameters
from issuer.sign_in.sealed_text import SealedTexts
from issuer.sign_in.session import SignInSession
from issuer.sign_in.validation import FindClient
from issuer.tokens import IdTokenReader
from issuer.url_fields import is_client_id
from issuer.vocabulary import AuthorizationErrorCode

_SECTION = "OpenID Connect RP-Initiated Logout §2"
_MAX_STATE = 1_000


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A valid request. `session_id` is that of the ID token that the client sent, if it did.

    `redirects_unasked`: an administrator registered the client, so that its addresses are trusted
    although no person has acted (RFC 9700 §4.11.2).
    """

    id: str
    client_id: str | None
    session_id: str | None
    return_to: str | None = field(repr=False)
    redirects_unasked: bool
    created_at: datetime

    def is_for(self, session: SignInSession) -> bool:
        """Whether the client has shown that it knows this session: no question is needed."""
        return self.session_id == session.id


class LogoutRequests:
    """Validates requests, and seals them for a cookie until the person has confirmed."""

    def __init__(
        self,
        texts: SealedTexts,
        clock: Clock,
        random: Random,
        id_tokens: IdTokenReader,
        find_client: FindClient,
    ) -> None:
        self._texts = texts
        self._clock = clock
        self._random = random
        self._id_tokens = id_tokens
        self._find_client = find_client

    def validated(self, parameters: Sequence[tuple[str, str]]) -> LogoutRequest | RequestProblem:
        """The request; a page for anything wrong, so that nobody is sent to an unknown address."""
        repeated = [name for name, times in Counter(n for n, _ in parameters).items() if times > 1]
        if repeated:
            return _problem("A parameter is repeated.", repeated[0][:50])
        given = {name: value for name, value in parameters if value}
        client_id, session_id = given.get("client_id"), None
        if "id_token_hint" in given:
            hinted, session_id = self._hinted(given["id_token_hint"])
            if hinted is None:
                return _problem("The ID token is not one of this issuer.", "id_token_hint")
            if client_id not in {None, hinted}:
                return _problem("The ID token was issued to another client.", "client_id")
            client_id = hinted
        client = self._find_client(client_id) if client_id else None
        problem = _redirect_problem(client, given)
        return problem or LogoutRequest(
            id=new_id("", self._random),
            client_id=client.client_id if client else None,
            session_id=session_id,
            return_to=_return_to(given),
            redirects_unasked=client is not None and not client.is_self_registered,
            created_at=self._clock(),
        )

    def _hinted(self, id_token: str) -> tuple[str | None, str | None]:
        """The client and the session of an ID token.

        Without the session once its key is gone, as after a rotation: the person is asked.
        """
        try:
            hint = self._id_tokens.read_although_expired(id_token)
        except InvalidCredentials:
            named = self._id_tokens.unverified_client(id_token)
            return (named if isinstance(named, str) and is_client_id(named) else None), None
        return hint.client_id, hint.session_id

    def seal(self, request: LogoutRequest) -> str:
        members = asdict(request) | {"created_at": request.created_at.timestamp()}
        return self._texts.seal(json.dumps(members))

    def open(self, sealed: str) -> LogoutRequest | None:
        """The request; None if it expired or was not sealed here."""
        if (text := self._texts.open(sealed)) is None:
            return None
        members = json.loads(text)
        created_at = datetime.fromtimestamp(members["created_at"], UTC)
        request = LogoutRequest(**{**members, "created_at": created_at})
        return request if self._clock() < created_at + VALID_FOR else None


def _redirect_problem(client: ClientRecord | None, given: dict[str, str]) -> RequestProblem | None:
    if len(given.get("state", "")) > _MAX_STATE:
        return _problem("The parameter state is too long.", "state")
    uri = given.get("post_logout_redirect_uri")
    registered = client.post_logout_redirect_uris if client else ()
    if uri is None or is_registered(uri, registered):
        return None
    return RequestProblem(
        AuthorizationErrorCode.INVALID_REQUEST,
        "The application asked to return to an address that is not registered for it.",
        "post_logout_redirect_uri",
        uri[:500],
        tuple(registered),
        _SECTION,
    )


def _return_to(given: dict[str, str]) -> str | None:
    uri, state = given.get("post_logout_redirect_uri"), given.get("state")
    return uri if uri is None or state is None else with_parameters(uri, {"state": state})


def _problem(sentence: str, parameter: str) -> RequestProblem:
    return RequestProblem(
        AuthorizationErrorCode.INVALID_REQUEST, sentence, parameter, section=_SECTION
    )
