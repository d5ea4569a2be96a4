"""Validating an authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707, OpenID Connect Core
§3.1.2.1)."""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from issuer.audit import Actor
from issuer.clock import Clock
from issuer.directory import ClientRecord
from issuer.errors import InvalidCredentials
from issuer.fields.urls import is_for_self_registered, is_of_an_application, is_registered
from issuer.languages import N_, first_known
from issuer.sign_in import parameters
from issuer.sign_in.authorization_request import (
    MAX_STATE,
    AuthorizationRequest,
    AuthorizationRequests,
    Redirection,
    RequestProblem,
    RequestTooLarge,
    excerpt,
    invalid_request,
    is_pushed,
    with_parameters,
)
from issuer.sign_in.parameters import NONE, InvalidParameter
from issuer.tokens.reading import IdTokenReader
from issuer.vocabulary import AuthorizationErrorCode as ErrorCode

ANSWERED_OR_EXPIRED = N_(
    "This was answered already, or has expired. Go back to the application and start again."
)
_STATE_TOO_LONG = f"The parameter state is too long: at most {MAX_STATE:,} characters."
_TOO_LONG = "The parameters are too long."

KeepClient: TypeAlias = Callable[[ClientRecord, Actor], None]
FindClient: TypeAlias = Callable[[str], ClientRecord | None]


@dataclass(eq=False, repr=False)
class Validation:
    """Decides whether a request can be served, before anybody has signed in. Writes nothing."""

    _issuer: str
    _clock: Clock
    _requests: AuthorizationRequests
    _find_client: FindClient
    _id_tokens: IdTokenReader

    def validate(
        self, pairs: Sequence[tuple[str, str]]
    ) -> tuple[AuthorizationRequest, str] | Redirection | RequestProblem:
        """The request and its sealed form.

        A `RequestProblem` for a wrong client, redirect URI or length of `state`, and for
        clients that registered themselves, whose URIs are not trusted until a person acts.
        """
        names = Counter(name for name, _ in pairs)
        given = {name: value for name, value in pairs if value}
        if is_pushed(given.get("request_uri", "")):
            return self._pushed(pairs, names, given)
        client = self._client(pairs, names, given)
        if isinstance(client, RequestProblem):
            return client
        if len(state := given.get("state", "")) > MAX_STATE:
            section = "RFC 6749 §4.1.1"
            return invalid_request(_STATE_TOO_LONG, "state", state, section=section, longest=60)
        redirect_uri = given["redirect_uri"]
        try:
            parameters.require_single(names)
            parameters.require_supported(client, given)
            parameters.require_pushed(client)
            request = self._request(client, redirect_uri, given)
            return request, self._requests.seal(request)
        except InvalidParameter as error:
            invalid = error
        except RequestTooLarge:
            invalid = InvalidParameter("", _TOO_LONG)
        return self._refusal(client, redirect_uri, given, invalid)

    def push(self, client: ClientRecord, given: Mapping[str, str]) -> str:
        """A `request_uri` for what the client `given` pushed (RFC 9126 §2); `InvalidParameter`."""
        parameters.require_supported(client, given)
        if (redirect_uri := given.get("redirect_uri")) is None:
            raise InvalidParameter("redirect_uri", "The parameter redirect_uri is missing.")
        if problem := redirect_problem(client, redirect_uri):
            raise InvalidParameter("redirect_uri", problem.sentence)
        if len(given.get("state", "")) > MAX_STATE:
            raise InvalidParameter("state", _STATE_TOO_LONG)
        try:
            return self._requests.push(self._request(client, redirect_uri, given))
        except RequestTooLarge:
            raise InvalidParameter("", _TOO_LONG) from None

    def _pushed(
        self, pairs: Sequence[tuple[str, str]], names: Mapping[str, int], given: Mapping[str, str]
    ) -> tuple[AuthorizationRequest, str] | RequestProblem:
        """What was pushed, whatever else the browser brings (RFC 9126 §4)."""
        uri, section = given["request_uri"], "RFC 9126 §4"
        if problem := _not_single(pairs, names, given, ("client_id", "request_uri"), section):
            return problem
        request = self._requests.open_pushed(uri, given["client_id"])
        if request is None:
            return invalid_request(
                ANSWERED_OR_EXPIRED, "request_uri", uri, section=section, longest=60
            )
        return request, self._requests.seal(request)

    def _client(
        self, pairs: Sequence[tuple[str, str]], names: Mapping[str, int], given: Mapping[str, str]
    ) -> ClientRecord | RequestProblem:
        both, section = ("client_id", "redirect_uri"), "RFC 6749 §4.1.1"
        if problem := _not_single(pairs, names, given, both, section):
            return problem
        client = self._find_client(given["client_id"])
        if client is None or client.disabled:
            sentence, section = N_("The application is not known here."), "RFC 6749 §4.1.2.1"
            return invalid_request(sentence, "client_id", given["client_id"], section=section)
        return redirect_problem(client, given["redirect_uri"]) or client

    def _request(
        self, client: ClientRecord, redirect_uri: str, given: Mapping[str, str]
    ) -> AuthorizationRequest:
        audience_id, openid_scopes, scopes = parameters.access(client, given)
        return AuthorizationRequest(
            id=self._requests.new_id(),
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            audience_id=audience_id,
            scopes=scopes,
            openid_scopes=openid_scopes,
            state=given.get("state"),
            nonce=given.get("nonce"),
            prompt=parameters.prompt(given),
            max_age=parameters.max_age(given),
            login_hint=given.get("login_hint"),
            ui_locale=first_known(given.get("ui_locales", "").split()),
            expected_user_id=self._expected_user_id(client, given),
            code_challenge=parameters.code_challenge(client, given),
            created_at=self._clock(),
            dpop_jkt=parameters.dpop_jkt(given),
        )

    def _expected_user_id(self, client: ClientRecord, given: Mapping[str, str]) -> str | None:
        """The user of the ID token that the client sent, if it did."""
        if "id_token_hint" not in given:
            return None
        try:
            hint = self._id_tokens.read_although_expired(given["id_token_hint"])
        except InvalidCredentials:
            hint = None  # perhaps its key was retired
        if hint is None or hint.client_id != client.client_id:
            problem = "The client did not get this ID token."
            raise InvalidParameter("id_token_hint", problem, ErrorCode.LOGIN_REQUIRED)
        return hint.subject

    def _refusal(
        self,
        client: ClientRecord,
        redirect_uri: str,
        given: Mapping[str, str],
        invalid: InvalidParameter,
    ) -> Redirection | RequestProblem:
        error, sentence, parameter = invalid.error, invalid.description, invalid.parameter
        url = error_url(self._issuer, redirect_uri, given.get("state"), error, sentence)
        if may_redirect_unasked(client, redirect_uri, given.get("prompt", "").split()):
            return Redirection(url, error)
        sent, section = excerpt(given.get(parameter)), "RFC 6749 §4.1.2.1"
        return RequestProblem(error, sentence, parameter, sent, section=section, return_to=url)


def _not_single(
    pairs: Sequence[tuple[str, str]],
    names: Mapping[str, int],
    given: Mapping[str, str],
    required: Sequence[str],
    section: str,
) -> RequestProblem | None:
    """The error unless each of the `required` parameters comes once."""
    for name in required:
        if names[name] > 1:
            values = ", ".join(value for each, value in pairs if each == name)
            problem = f"The parameter {name} is repeated."
            return invalid_request(problem, name, values, section="RFC 6749 §3.1")
        if name not in given:
            return invalid_request(f"The parameter {name} is missing.", name, section=section)
    return None


def redirect_problem(client: ClientRecord, redirect_uri: str) -> RequestProblem | None:
    """The error if the client has not registered the redirect URI, or may not have it."""
    if is_registered(redirect_uri, client.redirect_uris):
        if not client.is_self_registered or is_for_self_registered(redirect_uri):
            return None
        return invalid_request(
            N_(
                "The application asked to be answered at an address whose scheme is not allowed for"
                " applications that registered themselves."
            ),
            "redirect_uri",
            redirect_uri,
            section="RFC 8252 §7.1",
        )
    return invalid_request(
        N_("The application asked to be answered at an address that is not registered for it."),
        "redirect_uri",
        redirect_uri,
        section="RFC 6749 §3.1.2.4",
        registered=client.redirect_uris,
    )


def may_redirect_unasked(client: ClientRecord, redirect_uri: str, prompt: Container[str]) -> bool:
    """Whether an error may be sent to the client before a person has acted on our page.

    Of clients that registered themselves only with `prompt=none`, and not to an application.
    """
    if not client.is_self_registered:
        return True
    return NONE in prompt and not is_of_an_application(redirect_uri)


def error_url(
    issuer: str, redirect_uri: str, state: str | None, error: ErrorCode, description: str
) -> str:
    """RFC 6749 §4.1.2.1, with `iss` (RFC 9207 §2)."""
    described = {"error": error.value, "error_description": description}
    return with_parameters(redirect_uri, {**described, "state": state, "iss": issuer})
