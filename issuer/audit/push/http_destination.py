"""Audit events as JSON lines in the body of a POST."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence

import httpx

from issuer import __version__
from issuer.audit.push import destination

_UNAUTHORIZED = {401, 403, 407}
_TOO_LARGE = 413
_OVERLOADED = {408, 425, 429}
_SERVER_ERROR = 500


class HttpDestination:
    """Acknowledges with any 2xx. Redirects are not followed, proxies are not used."""

    def __init__(
        self, url: str, name: str, key: str, token: str | None, certificates: ssl.SSLContext
    ) -> None:
        self.name = name
        self.key = key
        self._url = url
        self._certificates = certificates
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "User-Agent": f"agentos-issuer/{__version__}",
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }

    def send(self, messages: Sequence[destination.Message]) -> None:
        body = "".join(f"{message.text}\n" for message in messages)
        status, headers = self._request(body.encode("ascii"))
        if not httpx.codes.is_success(status):
            raise _refusal(status, headers)

    def check(self) -> str:
        """A POST without a body: what the receiver answers to no events differs."""
        status, headers = self._request(b"")
        if status in _UNAUTHORIZED:
            raise _refusal(status, headers)
        return f"It answers a request without events with {status}."

    def _request(self, body: bytes) -> tuple[int, Mapping[str, str]]:
        try:
            return asyncio.run(self._post(body))
        except httpx.RemoteProtocolError as error:
            # After a colon, it quotes the answer, which may repeat the URL and be of any length.
            words = str(error).partition(":")[0]
            raise destination.NotDelivered(
                destination.PushFailure.CONNECTION, f"the connection failed: {words}"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise destination.connection_failure(error) from None

    async def _post(self, body: bytes) -> tuple[int, Mapping[str, str]]:
        """The body of the answer is not read."""
        transport = httpx.AsyncHTTPTransport(verify=self._certificates)
        async with (
            asyncio.timeout(destination.SECONDS_TO_ANSWER),
            httpx.AsyncClient(transport=transport, timeout=destination.SECONDS_TO_ANSWER) as client,
            client.stream("POST", self._url, content=body, headers=self._headers) as answer,
        ):
            return answer.status_code, answer.headers


def _refusal(status: int, headers: Mapping[str, str]) -> destination.NotDelivered:
    message = f"it answered {status}"
    if status in _UNAUTHORIZED:
        return destination.NotDelivered(
            destination.PushFailure.CREDENTIALS, f"{message}: check ISSUER_AUDIT_PUSH_TOKEN"
        )
    if httpx.codes.is_redirect(status):
        return destination.NotDelivered(
            destination.PushFailure.REFUSED,
            f"{message}, and redirects are not followed: set the URL behind it",
        )
    if status in _OVERLOADED or status >= _SERVER_ERROR:
        wait = headers.get("retry-after", "")
        seconds = int(wait) if wait.isdecimal() and len(wait) < 6 else 0  # noqa: PLR2004 - a day
        return destination.NotDelivered(destination.PushFailure.OVERLOADED, message, seconds)
    return destination.NotDelivered(
        destination.PushFailure.REFUSED, message, is_too_large=status == _TOO_LARGE
    )
