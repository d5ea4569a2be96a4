"""What `issuer login` has stored, for later commands of the same user."""

import hashlib
import json
import shlex
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from issuer.cli.api_client import ServerRefusal, metadata_of, posted
from issuer.cli.running.token_cache import (
    answer_with,
    folder_of_user,
    is_fresh,
    locked,
    private_folder,
)
from issuer.errors import IssuerError
from issuer.files import read_trusted, write_private

CLIENT = "issuer-cli"
_FOLDER = ("XDG_STATE_HOME", ".local/state")


@dataclass(frozen=True, slots=True)
class Login:
    """What a sign-in gave. One is stored for each issuer and audience."""

    issuer: str
    audience: str
    client_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)  # empty if the client may have none
    signed_in_at: float = 0

    @property
    def file(self) -> Path:
        return private_folder(*_FOLDER) / _file_name(self.issuer, self.audience)

    def store(self) -> None:
        write_private(self.file, json.dumps(asdict(self)))

    def revoke(self) -> None:
        """Revoke all its tokens at the server (RFC 7009)."""
        token = self.refresh_token or self.access_token
        form = {"token": token, "client_id": self.client_id}
        posted(metadata_of(self.issuer), "revocation_endpoint", form)


def changing_logins() -> AbstractContextManager[None]:
    """Lets one command at a time change what is stored."""
    return locked(private_folder(*_FOLDER))


def stored_logins(issuer: str, audience: str | None) -> list[Login]:
    """All at the issuer, or the one for the audience."""
    found = [login for file in login_files(issuer, audience) if (login := _read(file))]
    return sorted(found, key=lambda each: each.audience)


def _read(file: Path) -> Login | None:
    with suppress(FileNotFoundError, ValueError, TypeError):  # deleted meanwhile, or damaged
        return Login(**json.loads(read_trusted(file, private=True)))
    return None


def last_login() -> Login | None:
    """The newest one for the admin API of an issuer; None if nobody is signed in at any."""
    if not folder_of_user(*_FOLDER).is_dir():
        return None
    logins = (_read(file) for file in private_folder(*_FOLDER).glob("*.login"))
    own = [each for each in logins if each and each.audience == each.issuer]
    return max(own, key=lambda each: each.signed_in_at, default=None)


def login_files(issuer: str, audience: str | None) -> list[Path]:
    """Their files, also damaged ones. Creates no folder."""
    if not folder_of_user(*_FOLDER).is_dir():
        return []
    return [*private_folder(*_FOLDER).glob(_file_name(issuer, audience))]


def token_of_login(
    issuer: str, audience: str | None, scopes: list[str] | None = None, at: str | None = None
) -> str | None:
    """The stored access token while a quarter of its life is left, else a new one.

    With `scopes`, always a new one, with these alone. None if nobody is signed in. `at` as in
    `metadata_of`.
    """

    def is_enough(login: Login) -> bool:
        is_last = not login.refresh_token and answer_with(login.access_token)["expires_in"] > 0
        return scopes is None and (is_last or is_fresh(login.access_token))

    login = _only(issuer, audience)
    if login and not is_enough(login):
        with changing_logins():
            login = _only(issuer, login.audience)  # another command may have renewed or deleted it
            if login and not is_enough(login):
                login = _renewed(login, scopes, at)
    return login.access_token if login else None


def login_command(issuer: str, audience: str | None, client_id: str = CLIENT) -> str:
    """The command that signs in."""
    words = ["issuer", "login", issuer]
    words += ["--audience", audience] if audience and audience != issuer else []
    return shlex.join(words + ["--client-id", client_id] * (client_id != CLIENT))


def _renewed(login: Login, scopes: list[str] | None, at: str | None) -> Login:
    """The login with a new access token, which is stored unless it has fewer scopes.

    The next refresh may ask for all scopes again (RFC 6749 §6).
    """
    if scopes and not login.refresh_token:
        raise IssuerError(
            f"The client {login.client_id} may not refresh tokens, so that their scopes cannot be"
            " narrowed: sign in for fewer scopes with `issuer login --scope`."
        )
    form = {"refresh_token": login.refresh_token, "client_id": login.client_id}
    form |= {"grant_type": "refresh_token"} | ({"scope": " ".join(scopes)} if scopes else {})
    try:
        answer = posted(metadata_of(login.issuer, at), "token_endpoint", form, at)
    except ServerRefusal as refusal:
        if login.refresh_token and refusal.error != "invalid_grant":
            raise
        raise IssuerError(
            f"Your login at {login.issuer} for {login.audience} has expired or was revoked: sign in"
            f" with `{login_command(login.issuer, login.audience, login.client_id)}`."
        ) from None
    kept = replace(login, refresh_token=answer.get("refresh_token", login.refresh_token))
    renewed = replace(kept, access_token=answer["access_token"])
    (kept if scopes else renewed).store()
    return renewed


def _only(issuer: str, audience: str | None) -> Login | None:
    found = stored_logins(issuer, audience)
    if len(found) > 1:
        audiences = ", ".join(each.audience for each in found)
        raise IssuerError(
            f"You are signed in at {issuer} for several audiences: choose one with --audience:"
            f" {audiences}."
        )
    return found[0] if found else None


def _file_name(issuer: str, audience: str | None) -> str:
    """A pattern for all of the issuer if there is no audience."""
    digests = [hashlib.sha256(each.encode()).hexdigest() for each in (issuer, audience) if each]
    return "-".join(digests) + (".login" if audience else "-*.login")
