"""Writes a key set into a file, for programs that read keys from files."""

import errno
import os
from pathlib import Path
from urllib.parse import urlsplit

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched, require_safe
from issuer.agentos.files import read_regular, replace_file
from issuer.agentos.key_set import SUPPORTED, Keys, entries_of, read_key_set
from issuer.agentos.metadata import Source

_WORLD_READABLE = 0o644  # the keys are public, and another user's process reads them


class KeySetSource:
    """Fetches the key set of `url`: a JWKS URL, or an issuer whose metadata names one.

    It is a JWKS URL if its path ends in .json or it answers with a JWK Set, else an issuer.
    `InvalidConfiguration` for an unsafe URL.
    """

    def __init__(self, url: str, *, allow_http: bool = False) -> None:
        require_safe(url, allow_http=allow_http)
        self._as_jwks_url = Source(url, "jwks_uri", url=url, allow_http=allow_http)
        self._as_issuer = Source(url, "jwks_uri", allow_http=allow_http)
        self._known = self._as_jwks_url if urlsplit(url).path.endswith(".json") else None

    async def __call__(self, etag: str | None) -> Fetched:
        """The document, else `NotFetched` with the cause."""
        if self._known is None:
            return await self._detect()
        return await self._known(etag)

    async def _detect(self) -> Fetched:
        """Find out which it is; remembered only after a success, as the server may be down."""
        try:
            fetched = await self._as_jwks_url(None)
            entries_of(fetched.body or b"")
            self._known = self._as_jwks_url
        except NotFetched as no_key_set:
            try:
                fetched = await self._as_issuer(None)
            except NotFetched as no_issuer:
                raise NotFetched(f"{no_key_set}; taken as an issuer, it {no_issuer}") from None
            self._known = self._as_issuer
        return fetched


class KeyFile:
    """A file that holds a key set, byte for byte as published.

    A link is followed: its target is read and replaced, and the link stays. `OSError` for
    anything but a regular file, and for a link of another user.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The file itself, with all links resolved."""
        if self._path.is_symlink() and self._path.lstat().st_uid not in {0, os.geteuid()}:
            raise OSError(errno.EPERM, "it is a link of another user")
        return Path(os.path.realpath(self._path))

    def holds(self, body: bytes) -> bool:
        """Whether the file has exactly this content."""
        try:
            return read_regular(self.path, len(body))[0] == body
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EFBIG}:
                return False
            raise

    def replace(self, body: bytes) -> None:
        """Replace it atomically. Mode 0644, or that of the existing file."""
        path = self.path
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            mode = _WORLD_READABLE
        replace_file(path, body, mode)


def usable_keys(body: bytes) -> Keys:
    """The keys that verify any supported algorithm; `NotFetched` if there is none."""
    return read_key_set(body, sorted(SUPPORTED))
