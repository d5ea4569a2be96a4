"""A key set pulled into a file, for whoever reads keys from files."""

import errno
import os
from pathlib import Path
from urllib.parse import urlsplit

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched, require_safe
from issuer.agentos.files import read_regular, replace_file
from issuer.agentos.key_set import SUPPORTED, Keys, entries_of, read_key_set
from issuer.agentos.metadata import Source

_FOR_EVERYBODY = 0o644  # the keys are public, and another user's process reads them


class KeySetSource:
    """Fetches the key set of `url`: a JWKS URL, or an issuer whose metadata names one.

    It is a JWKS URL if its path ends in .json or a JWK Set is what it answers, else an issuer.
    `ConfigurationError` for one that is not safe.
    """

    def __init__(self, url: str, *, allow_http: bool = False) -> None:
        require_safe(url, allow_http=allow_http)
        self._as_jwks_url = Source(url, "jwks_uri", url=url, allow_http=allow_http)
        self._as_issuer = Source(url, "jwks_uri", allow_http=allow_http)
        self._known = self._as_jwks_url if urlsplit(url).path.endswith(".json") else None

    async def __call__(self, etag: str | None) -> Fetched:
        """The document; `NotFetched` says what was wrong."""
        if self._known is None:
            return await self._found_out()
        return await self._known(etag)

    async def _found_out(self) -> Fetched:
        """What it is, is kept only once it answered well: it may be away for the moment."""
        try:
            fetched = await self._as_jwks_url(None)
            entries_of(fetched.body or b"")
            self._known = self._as_jwks_url
        except NotFetched as no_key_set:
            try:
                fetched = await self._as_issuer(None)
            except NotFetched as no_issuer:
                raise NotFetched(f"{no_key_set}; as that of an issuer, it {no_issuer}") from None
            self._known = self._as_issuer
        return fetched


class KeyFile:
    """A file that holds a key set, byte for byte as it was published.

    A link is followed: what it leads to is read and replaced, and the link stays. Errors are
    `OSError`: for anything but a regular file, and for a link of another user.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The file itself, behind all links."""
        if self._path.is_symlink() and self._path.lstat().st_uid not in {0, os.geteuid()}:
            raise OSError(errno.EPERM, "it is a link of another user")
        return Path(os.path.realpath(self._path))

    def holds(self, body: bytes) -> bool:
        """Whether it is just that."""
        try:
            return read_regular(self.path, len(body))[0] == body
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EFBIG}:
                return False
            raise

    def replace(self, body: bytes) -> None:
        """Replace it whole. Mode 0644, or that of the file that was there."""
        path = self.path
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            mode = _FOR_EVERYBODY
        replace_file(path, body, mode)


def usable_keys(body: bytes) -> Keys:
    """The keys that verify any algorithm we know; `NotFetched` if there is none."""
    return read_key_set(body, sorted(SUPPORTED))
