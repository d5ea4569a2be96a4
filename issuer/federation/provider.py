"""An OpenID provider: metadata, authorization URL, tokens, user info. Imports Authlib and httpx."""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote_plus

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client

from issuer.agentos.fetching import metadata_urls
from issuer.federation import fetching, github
from issuer.federation.key_source import KeySource, fetcher_for
from issuer.federation.metadata import (
    ProviderAway,
    ProviderMetadata,
    ProviderProblem,
    read_metadata,
)
from issuer.scopes import OPENID

_READ_AGAIN_AFTER = 3_600.0  # seconds
_TRIED_AGAIN_AFTER = 5.0
_KEPT_FOR = 24 * 3_600.0
_MAX_REMEMBERED = 1_000
_MAX_ERROR = 200


@dataclass(frozen=True, slots=True)
class ProviderClient:
    """This issuer as a client of the provider at `source`, whose `scopes` `openid` is added to."""

    source: KeySource
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class TokensForCode:
    """What the token endpoint answered: `id_token` is empty where the provider has none."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


class ProviderFailure(NamedTuple):
    """Why the last request to a provider failed, and when, by the monotonic clock."""

    problem: str
    at: float


@dataclass(slots=True)
class _Remembered:
    metadata: ProviderMetadata
    read_at: float


class Providers:
    """Asks providers, under the guards against SSRF. For the event loop.

    Each answer is bounded in bytes and time. Metadata is read again hourly; while it cannot be
    read, the last one is used for a day, and it is tried every five seconds. `clock` is monotonic.
    `failures` has the providers whose last request failed.
    """

    def __init__(
        self, fetcher: fetching.Fetcher, budget: fetching.FetchBudget, clock: Callable[[], float]
    ) -> None:
        self._fetcher = fetcher
        self._budget = budget
        self._clock = clock
        self._metadata: OrderedDict[KeySource, _Remembered] = OrderedDict()
        self._reading: dict[KeySource, asyncio.Task[ProviderMetadata]] = {}
        self._failed_at: dict[KeySource, float] = {}
        self.failures: dict[KeySource, ProviderFailure] = {}

    async def metadata(self, source: KeySource) -> ProviderMetadata:
        """The metadata of the provider (OpenID Connect Discovery §4); `ProviderProblem`."""
        if source.issuer == github.ISSUER:
            return github.METADATA
        known, now = self._metadata.get(source), self._clock()
        if known is not None and now - known.read_at < _READ_AGAIN_AFTER:
            return known.metadata
        try:
            metadata = await self._read_once(source, now)
        except ProviderAway:
            if known is None or now - known.read_at >= _KEPT_FOR:
                raise
            return known.metadata
        self._metadata[source] = _Remembered(metadata, now)
        self._metadata.move_to_end(source)
        if len(self._metadata) > _MAX_REMEMBERED:
            self._metadata.popitem(last=False)
        return metadata

    def authorization_url(
        self,
        client: ProviderClient,
        metadata: ProviderMetadata,
        *,
        state: str,
        code_verifier: str,
        **parameters: str,
    ) -> str:
        """Where the browser is sent (OpenID Connect Core §3.1.2.1), with PKCE by `S256`."""
        oauth = _OAuthClient(client, metadata, self._refuse_use)
        parameters |= {"state": state, "code_verifier": code_verifier}
        url, _ = oauth.create_authorization_url(metadata.authorization_endpoint, **parameters)
        return str(url)

    async def tokens(
        self, client: ProviderClient, metadata: ProviderMetadata, code: str, code_verifier: str
    ) -> TokensForCode:
        """What the provider gives for the code; `ProviderProblem` if it gives nothing of use."""

        async def post(url: str, headers: Mapping[str, str], body: str) -> fetching.HttpAnswer:
            return await self._ask(client.source, "POST", url, headers, body)

        oauth = _OAuthClient(client, metadata, post)
        try:
            answer = await oauth.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=code_verifier,
                redirect_uri=client.redirect_uri,
            )
        except AuthlibBaseError as error:
            code_of_error = "".join(filter(str.isprintable, str(error.error)[:_MAX_ERROR]))
            raise ProviderProblem(f"the token endpoint answered {code_of_error}") from None
        except fetching.FetchRefused as error:
            raise ProviderAway(f"the token endpoint: {error}") from None
        except (ValueError, KeyError, TypeError):
            raise ProviderProblem("the token endpoint did not answer with a JSON object") from None
        access_token, id_token = answer.get("access_token"), answer.get("id_token", "")
        if not isinstance(access_token, str) or not isinstance(id_token, str):
            raise ProviderProblem("the token endpoint gave no access token")
        return TokensForCode(id_token, access_token)

    async def user_info(
        self, client: ProviderClient, metadata: ProviderMetadata, access_token: str
    ) -> dict[str, Any]:
        """The claims at the user info endpoint (Core §5.3); `ProviderProblem`. Compare `sub`."""
        if metadata.userinfo_endpoint is None:
            raise ProviderProblem("the provider has no user info endpoint")

        async def get(url: str) -> object:
            headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
            answer = await self._ask(client.source, "GET", url, headers)
            try:
                answer.raise_for_status()
                return answer.json()
            except fetching.FetchRefused as error:
                raise ProviderProblem(f"{url}: {error}") from None
            except ValueError:
                raise ProviderProblem(f"{url} did not answer with JSON") from None

        if not metadata.is_openid:
            try:
                return await github.claims(get, client.scopes)
            except ValueError as error:
                raise ProviderProblem(f"GitHub: {error}") from None
        claims = await get(metadata.userinfo_endpoint)
        if not isinstance(claims, dict):
            raise ProviderProblem("the user info endpoint did not answer with a JSON object")
        return claims

    async def _read_once(self, source: KeySource, now: float) -> ProviderMetadata:
        """Callers share one attempt; one that fails is not repeated for some seconds."""
        if now - self._failed_at.get(source, -_TRIED_AGAIN_AFTER) < _TRIED_AGAIN_AFTER:
            raise ProviderAway(f"its metadata could not be read just now.{self._last_of(source)}")
        task = self._reading.get(source)
        if task is None:
            task = self._reading[source] = asyncio.create_task(self._read_metadata(source))
            task.add_done_callback(partial(self._was_read, source))
        return await asyncio.shield(task)

    def _was_read(self, source: KeySource, task: asyncio.Task[ProviderMetadata]) -> None:
        del self._reading[source]
        if len(self._failed_at) > _MAX_REMEMBERED:
            self._failed_at.clear()
        if task.cancelled() or task.exception() is not None:
            self._failed_at[source] = self._clock()

    async def _read_metadata(self, source: KeySource) -> ProviderMetadata:
        url = metadata_urls(source.issuer)[1]
        answer = await self._ask(source, "GET", url, {})
        fetcher = fetcher_for(source, self._fetcher)
        try:
            answer.raise_for_status()
            metadata = read_metadata(answer.json(), source.issuer)
            for endpoint in filter(None, metadata.endpoints):
                fetcher.require_allowed(endpoint)
        except fetching.FetchRefused as error:
            raise self._note_failure(source, f"{url}: {error}") from None
        except ValueError as error:
            self._note_failure(source, f"{url}: {error}")
            raise ProviderProblem(f"{url}: {error}") from None
        return self._with_end_session(metadata, fetcher)

    def _with_end_session(
        self, metadata: ProviderMetadata, fetcher: fetching.Fetcher
    ) -> ProviderMetadata:
        """The metadata, without an endpoint for sign-out that no browser may be sent to."""
        try:
            if metadata.end_session_endpoint is not None:
                fetcher.require_allowed(metadata.end_session_endpoint)
        except fetching.FetchRefused:
            return replace(metadata, end_session_endpoint=None)
        return metadata

    async def _ask(
        self,
        source: KeySource,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: str | None = None,
    ) -> fetching.HttpAnswer:
        try:
            self._budget.count(url)
            with self._budget.place():
                fetcher = fetcher_for(source, self._fetcher)
                answer = await fetcher.request(method, url, headers, content)
        except fetching.TooManyFetches as error:
            raise ProviderAway(f"{error}{self._last_of(source)}") from None
        except fetching.FetchRefused as error:
            raise self._note_failure(source, str(error)) from None
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._note_failure(source, f"{url} answered {answer.status_code}.")
        self.failures.pop(source, None)
        return answer

    def _note_failure(self, source: KeySource, problem: str) -> ProviderAway:
        if len(self.failures) > _MAX_REMEMBERED:
            self.failures.clear()
        self.failures[source] = ProviderFailure(problem, self._clock())
        return ProviderAway(problem)

    def _last_of(self, source: KeySource) -> str:
        """The cause, where a request was not sent because others failed."""
        failure = self.failures.get(source)
        return f" The last request failed: {failure.problem}" if failure else ""

    async def _refuse_use(self, *_: object) -> NoReturn:
        raise AssertionError


class _OAuthClient(OAuth2Client):  # type: ignore[misc]
    """Authlib's client, which sends nothing itself: that for httpx reads answers of any length."""

    oauth_error_class = AuthlibBaseError

    def __init__(
        self,
        client: ProviderClient,
        metadata: ProviderMetadata,
        post: Callable[[str, Mapping[str, str], str], Awaitable[fetching.HttpAnswer]],
    ) -> None:
        openid = [OPENID] if metadata.is_openid else []
        ids = (client.client_id, client.client_secret, _auth_method(client, metadata))
        scope = " ".join(dict.fromkeys([*openid, *client.scopes]))
        by = {"redirect_uri": client.redirect_uri, "code_challenge_method": "S256"}
        super().__init__(None, *ids, scope=scope, **by)
        self._post = post

    async def _fetch_token(
        self, url: str, body: str, auth: Any, method: str, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        url, headers, body = auth.prepare(method, url, dict(headers), body)
        token: dict[str, Any] = self.parse_response_token(await self._post(url, headers, body))
        return token


def _auth_method(client: ProviderClient, metadata: ProviderMetadata) -> Any:
    """Basic, unless the provider says that it has `client_secret_post` alone (RFC 8414 §2)."""
    if client.client_secret is None:
        return "none"
    methods = metadata.token_endpoint_auth_methods
    has_post_alone = "client_secret_basic" not in methods and "client_secret_post" in methods
    return "client_secret_post" if has_post_alone else _basic


def _basic(
    client: Any, _: str, url: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """RFC 6749 §2.3.1 encodes id and secret as form values first, which Authlib does not."""
    text = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(text.encode()).decode()}"
    return url, headers, body
