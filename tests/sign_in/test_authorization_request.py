"""What an authorization request must be, and where its errors go."""

import json
from dataclasses import fields
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.clients.client import ClientFields
from issuer.sign_in.authorization_request import AuthorizationRequest, Redirection, RequestProblem
from issuer.vocabulary import RegisteredBy
from tests.builders import URL, Deployment
from tests.rows import rows
from tests.sign_in.authorizing import CALLBACK, GRANTS, App, returned


def validated(
    deployment: Deployment, parameters: dict[str, str] | list[tuple[str, str]]
) -> AuthorizationRequest | Redirection | RequestProblem:
    pairs = parameters if isinstance(parameters, list) else list(parameters.items())
    outcome = deployment.services.people.validation.validate(pairs)
    return outcome[0] if isinstance(outcome, tuple) else outcome


def test_a_valid_request_is_kept_by_the_browser_and_nowhere_else(deployment: Deployment, app: App):
    """Sealed: another key, or one changed character, and it cannot be opened."""
    people = deployment.services.people
    request, sealed = people.validation.validate(list(app.request(nonce="n-0S6").items()))
    assert people.requests.open(sealed) == request
    assert "n-0S6" not in sealed
    middle = len(sealed) // 2
    changed = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    assert people.requests.open(changed) is None
    assert people.requests.open("") is None
    assert people.logout_requests.open(sealed) is None


@rows(("ui_locales", "locale"), [("de", "de"), ("tlh", None)])
def test_an_earlier_version_can_open_a_request_in_a_chosen_language(
    deployment: Deployment, app: App, ui_locales: str, locale: str | None
):
    """While versions run side by side. It refuses members that it does not know."""
    people = deployment.services.people
    pairs = list(app.request(ui_locales=ui_locales, prompt="consent").items())
    request, sealed = people.validation.validate(pairs)
    assert (people.requests.open(sealed), request.ui_locale) == (request, locale)
    assert request.prompt == {"consent"}
    members = json.loads(people.requests._texts.open(sealed))
    newer = {"device", "ui_locale", "dpop_jkt"}
    known = {each.name for each in fields(AuthorizationRequest)} - newer
    assert members.keys() == known


def test_a_request_expires_after_ten_minutes(deployment: Deployment, app: App):
    people = deployment.services.people
    _, sealed = people.validation.validate(list(app.request().items()))
    deployment.clock.move(timedelta(minutes=10) - timedelta(microseconds=1))
    assert people.requests.open(sealed)
    deployment.clock.move(timedelta(microseconds=1))
    assert people.requests.open(sealed) is None


@rows("name", ["client_id", "redirect_uri"])
@rows("how", ["missing", "repeated", "wrong"])
def test_without_a_known_client_and_redirect_uri_there_is_no_redirect(
    deployment: Deployment, app: App, name: str, how: str
):
    """RFC 6749 §4.1.2.1."""
    pairs = [pair for pair in app.request().items() if pair[0] != name or how == "repeated"]
    if how != "missing":
        pairs.append((name, "https://attacker.example/" if how == "wrong" else app.request()[name]))
    problem = validated(deployment, pairs)
    assert isinstance(problem, RequestProblem)
    assert (problem.parameter, problem.status) == (name, 400)
    assert problem.return_to is None


def test_a_scheme_that_a_self_registered_client_may_not_have_is_named_as_the_cause(
    deployment: Deployment, app: App
):
    """Its redirect URI was registered, by an earlier version or an administrator."""
    fields = ClientFields(
        name="Editor",
        grant_types=["authorization_code"],
        redirect_uris=["mailto:x"],
        user_rights="all",
    )
    with deployment.changing() as work:
        client = work.clients.register(fields, RegisteredBy.REGISTRATION).client_id
    request = {**app.request(redirect_uri="mailto:x"), "client_id": client}
    problem = validated(deployment, request)
    assert isinstance(problem, RequestProblem)
    assert "whose scheme is not allowed" in problem.sentence
    assert (problem.parameter, problem.return_to) == ("redirect_uri", None)


def test_a_disabled_client_is_unknown(deployment: Deployment, app: App):
    with deployment.changing() as work:
        work.clients.update("app", {"disabled": True})
    assert isinstance(validated(deployment, app.request()), RequestProblem)


@rows(
    ("change", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"resource": "another-os"}, "invalid_target"),
        ({"audience": "another-os"}, "invalid_target"),
        ({"resource": URL}, "invalid_target"),
        ({"scope": "agents::run"}, "invalid_scope"),
        ({"scope": "issuer:everything"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"nonce": "n" * 3_000}, "invalid_request"),
    ],
)
def test_every_other_error_is_a_redirect_with_state_and_iss(
    deployment: Deployment, app: App, change: dict[str, str | None], error: str
):
    """RFC 6749 §4.1.2.1, RFC 9207 §2."""
    refused = validated(deployment, app.request(**change))
    assert isinstance(refused, Redirection)
    assert refused.url.startswith(CALLBACK + "?")
    answer = returned(refused.url)
    assert answer.pop("error_description")
    assert answer == {"error": error, "state": "af0ifjsldkj", "iss": URL}


@rows("name", ["state", "scope", "code_challenge", "resource", "x"])
def test_a_repeated_parameter_is_an_error(deployment: Deployment, app: App, name: str):
    pairs = [*app.request().items(), (name, "a"), (name, "a")]
    refused = validated(deployment, pairs)
    assert isinstance(refused, Redirection)
    assert returned(refused.url)["error"] == "invalid_request"


def test_a_client_without_the_grant_is_unauthorized(deployment: Deployment, app: App):
    with deployment.changing() as work:
        work.clients.update("app", {"grant_types": ["client_credentials"]})
    refused = validated(deployment, app.request())
    assert returned(refused.url)["error"] == "unauthorized_client"


@rows("resource", ["my-os", "https://os.example/mcp", "https://os.example/mcp/"])
@rows("name", ["resource", "audience"])
def test_an_audience_is_named_by_its_id_or_a_resource_of_it(
    deployment: Deployment, app: App, resource: str, name: str
):
    """RFC 8707 §2; a trailing slash is ignored."""
    with deployment.changing() as work:
        work.audiences.update("my-os", {"resources": ["https://os.example/mcp"]})
    assert validated(deployment, app.request(**{name: resource})).audience_id == "my-os"


def test_resource_and_audience_must_name_the_same(deployment: Deployment, app: App):
    deployment.audience("other-os")
    with deployment.changing() as work:
        work.clients.update("app", {"audiences": ["my-os", "other-os"]})
    both = validated(deployment, app.request(resource="my-os", audience="other-os"))
    assert returned(both.url)["error"] == "invalid_target"
    assert validated(deployment, app.request()).audience_id is None
    assert validated(deployment, app.request(resource="other-os")).audience_id == "other-os"


def test_without_a_name_the_issuer_itself_is_never_the_audience(deployment: Deployment, app: App):
    with deployment.changing() as work:
        work.clients.update("app", {"audiences": [URL]})
    assert validated(deployment, app.request()).audience_id is None
    refused = validated(deployment, app.request(scope="issuer:admin"))
    assert returned(refused.url)["error"] == "invalid_target"
    asked = app.request(scope="issuer:admin", audience=URL)
    assert validated(deployment, asked).audience_id == URL


def test_the_scopes_of_openid_connect_ask_for_no_others(deployment: Deployment, app: App):
    """MCP clients ask for all of `scopes_supported`, which are these."""
    only = validated(deployment, app.request(scope="openid profile email offline_access"))
    assert only.scopes is None
    assert only.openid_scopes == {"openid", "profile", "email", "offline_access"}
    both = validated(deployment, app.request(scope="openid agents:run"))
    assert (both.scopes, both.openid_scopes) == (("agents:run",), {"openid"})


LOOPBACK = ["http://127.0.0.1:8000/cb", "http://[::1]/cb", "http://localhost/cb"]
REGISTERED = [*LOOPBACK, CALLBACK, "https://app.example/other?x=1", "cursor://app/cb"]
_parts = st.sampled_from(
    [
        *("https://", "http://", "//", "javascript:", "data:", "cursor://", "HTTPS://", "\\\\"),
        *("app.example", "127.0.0.1", "[::1]", "localhost", "attacker.example", "app", "@", "."),
        *(
            ":8000",
            ":1",
            ":0",
            ":99999",
            ":",
            "/",
            "/callback",
            "/cb",
            "/other",
            "?x=1",
            "#",
            "%2e",
        ),
        *("..", ";", " ", "\t", "é", "?", "&", "x"),
    ]
)
uris = st.lists(_parts, max_size=6).map("".join) | st.sampled_from(REGISTERED)


def test_a_redirect_only_ever_goes_to_a_registered_uri(deployment: Deployment, app: App):
    """Whatever is asked; on loopback the port may differ (RFC 8252 §7.3)."""
    with deployment.changing() as work:
        work.clients.update("app", {"redirect_uris": REGISTERED, "grant_types": GRANTS})

    @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=300)
    @given(uri=uris, prompt=st.sampled_from(["none", "login", "nonsense", ""]))
    def check(uri: str, prompt: str):
        outcome = validated(deployment, app.request(redirect_uri=uri, prompt=prompt))
        if isinstance(outcome, RequestProblem):
            assert outcome.return_to is None
            return
        target = outcome.url if isinstance(outcome, Redirection) else outcome.redirect_uri
        assert target.startswith(uri)
        assert uri in REGISTERED or any(
            uri.startswith(each.rpartition(":")[0] if ":8000" in each else each[:-3])
            for each in LOOPBACK
        )

    check()
