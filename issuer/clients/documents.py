"""Clients known by a metadata document at the URL that is their id.

See draft-ietf-oauth-client-id-metadata-document. A document gives no rights: people who sign in
through its client are asked each time something new is wanted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import structlog

from issuer.clients.client import ClientFields
from issuer.clients.client_metadata import parsed, read_client_metadata
from issuer.clients.document_cache import DocumentCache, InvalidDocument
from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidField
from issuer.federation import Fetcher, FetchRefused
from issuer.vocabulary import AuthMethod, RegisteredBy

ALL_HOSTS = "*"

log = structlog.get_logger(__name__)


def is_document_url(client_id: str) -> bool:
    """Whether the id of a client is the URL of its document."""
    return client_id.startswith("https://")


def read_document(url: str, body: bytes) -> ClientFields:
    """The client of the document; `InvalidDocument` says what is wrong with it."""
    host_of(url)
    try:
        return _read(url, parsed(body))
    except InvalidField as error:
        raise InvalidDocument(f"The client metadata document {url} is not valid: {error}") from None


def host_of(url: str) -> str:
    """The host, with a port unless it is 443; `InvalidDocument` if the URL names no document."""
    try:
        parts = urlsplit(url)
        host = parts.netloc if parts.port not in {None, 443} else parts.hostname or ""
    except ValueError:
        raise InvalidDocument(f"{url} is not a valid URL.") from None
    if parts.scheme != "https" or parts.netloc not in {host, f"{host}:443"}:
        raise InvalidDocument(f"{url} must be https, and name a host in lower case.")
    if not host or not parts.path or "#" in url or {".", ".."} & set(parts.path.split("/")):
        raise InvalidDocument(f"{url} must have a path without . and .., and no fragment.")
    return host


def _read(url: str, members: Mapping[str, Any]) -> ClientFields:
    if members.get("client_id") != url:
        raise InvalidField("client_id", "is not the URL of the document")
    for name in members:
        if name.startswith("client_secret"):
            raise InvalidField(name, "may not stand in a public document")
    fields = read_client_metadata(members, url, AuthMethod.NONE)
    if fields.token_endpoint_auth_method.has_secret:
        raise InvalidField("token_endpoint_auth_method", "must be none or private_key_jwt")
    return fields


class DocumentHosts:
    """The hosts whose documents are accepted: `ISSUER_CLIENT_METADATA_HOSTS`."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(hosts)

    def require(self, url: str) -> None:
        """`InvalidDocument` unless the setting names the host, and the URL is a plain one."""
        host = host_of(url)
        everywhere = ALL_HOSTS in self._hosts and ":" not in host
        if host not in self._hosts and not everywhere:
            raise InvalidDocument(f"{host} is not one of ISSUER_CLIENT_METADATA_HOSTS.")

    def accept(self, client: ClientRecord) -> bool:
        """False for the client of a document of another host, unless it is pinned."""
        if client.registered_by is not RegisteredBy.METADATA or client.pinned:
            return True
        try:
            self.require(client.client_id)
        except InvalidDocument as error:
            log.info("client_refused", client=client.client_id, cause=str(error))
            return False
        return True


class ClientDocuments:
    """The clients of documents, fetched and cached. Blocks: not for the event loop.

    Those that are stored have a cache and limits of their own, which URLs that anybody may name
    cannot use up.
    """

    def __init__(
        self, directory: Directory, fetcher: Fetcher, clock: Clock, hosts: DocumentHosts
    ) -> None:
        self._directory = directory
        self._hosts = hosts
        self._of_stored = DocumentCache(fetcher, clock, read_document)
        self._of_unknown = DocumentCache(fetcher, clock, read_document)

    def find(self, client_id: str) -> ClientRecord | None:
        """The client as it is now; None if there is none, and the log has the reason."""
        record = self._directory.load_client(client_id)
        if not is_document_url(client_id) or (record is not None and not record.is_fetched):
            return record
        try:
            fields = self._fields(client_id, record)
        except (InvalidDocument, FetchRefused) as error:
            log.info("client_document_refused", client=client_id, cause=str(error))
            return None
        known = record or self._directory.new_client(client_id)
        return replace(
            known,
            name=fields.name,
            redirect_uris=tuple(fields.redirect_uris),
            post_logout_redirect_uris=tuple(fields.post_logout_redirect_uris),
            grant_types=frozenset(fields.grant_types),
            token_endpoint_auth_method=fields.token_endpoint_auth_method,
            jwks=fields.jwks,
            jwks_uri=fields.jwks_uri,
        )

    def _fields(self, client_id: str, record: ClientRecord | None) -> ClientFields:
        self._hosts.require(client_id)
        if record is None:
            return self._of_unknown.fields(client_id)
        return self._of_stored.fields(client_id, fields_of(record))


def fields_of(client: ClientRecord) -> ClientFields:
    """The client of a document as it is stored once a person has allowed it something."""
    return ClientFields(
        client_id=client.client_id,
        name=client.name,
        grant_types=sorted(client.grant_types),
        token_endpoint_auth_method=client.token_endpoint_auth_method,
        jwks=None if client.jwks is None else dict(client.jwks),
        jwks_uri=client.jwks_uri,
        redirect_uris=list(client.redirect_uris),
        post_logout_redirect_uris=list(client.post_logout_redirect_uris),
        user_rights=client.user_rights,
    )
