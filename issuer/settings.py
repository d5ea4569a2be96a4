"""The settings, read once from the environment (docs/reference/settings.md).

Each secret may also come from a file named by `…_FILE`. An unknown name that begins with
`ISSUER_` is an error: a misspelled setting must not silently leave the default.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from issuer.errors import ConfigurationError
from issuer.fields.branding import accent_color
from issuer.fields.fields import in_words, read_sender
from issuer.fields.ids import AudienceId
from issuer.fields.text import did_you_mean
from issuer.fields.times import duration, within_bounds
from issuer.files import read_trusted, reason_of
from issuer.vocabulary import SigningAlgorithm

T = TypeVar("T", str, SecretStr | None)

PREFIX = "ISSUER_"
_MASTER_KEY_FILE = f"{PREFIX}MASTER_KEY_FILE"
_PORT = 9000
_WITHOUT_TLS = "disable_starttls=true"
SECRETS = (
    *("MASTER_KEY", "ADMIN_SECRET", "DATABASE_URL", "METRICS_TOKEN", "RATE_LIMIT_REDIS_URL"),
    *("AUDIT_PUSH_URL", "AUDIT_PUSH_TOKEN", "SMTP_URL"),
)

# Which server commands act on, and a client there: no settings of the issuer.
OF_THE_COMMAND_LINE = {
    *("ISSUER_SERVER", "ISSUER_CLIENT_ID", "ISSUER_CLIENT_SECRET", "ISSUER_CLIENT_SECRET_FILE")
}

# What Kubernetes sets for a Service named "issuer", and Docker for a link of that name.
_SERVICE_LINK = re.compile(r"ISSUER(_[A-Z0-9_]+)?_(SERVICE_HOST|(SERVICE_)?PORT(_.+)?)")


def _matching(pattern: str, message: str) -> AfterValidator:
    """For text that must match: not for one that is not set."""

    def check(value: T) -> T:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not re.fullmatch(pattern, str(text)):
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _duration(value: object) -> object:
    return duration(value, default_unit="s") if isinstance(value, str) else value


def _duration_unless(*nothing: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value in nothing else _duration(value))


def _words(value: object) -> object:
    return re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value


def _each_once(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value or len(set(value)) != len(value):
        raise ValueError("must name at least one, and each once")
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("must be addresses or networks, such as 10.0.0.0/8") from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port  # reading them is the check
    except ValueError:
        raise ValueError("is not a valid URL") from None
    return parts


def _push_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    parts = _split(url)
    host = parts.hostname
    if parts.scheme not in {"https", "http", "syslog+tls", "syslog"} or not host:
        raise ValueError("must begin with https://, syslog+tls:// or syslog://, and name a host")
    if parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        raise ValueError(
            "must have no user name, no fragment and only ASCII; a token belongs in"
            " ISSUER_AUDIT_PUSH_TOKEN"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https:// on anything but loopback")
    if parts.scheme.startswith("syslog") and (parts.path.strip("/") or parts.query):
        raise ValueError("must end after the port: syslog has no path")
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    parts = _split(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("must begin with smtp:// or smtps://, and name a host")
    if parts.path.strip("/") or parts.fragment or not url.isascii() or not url.isprintable():
        raise ValueError(
            "must end after the port, and have only ASCII; other characters of a user name or"
            " password are percent-encoded"
        )
    if parts.query and (parts.query != _WITHOUT_TLS or parts.scheme != "smtp"):
        raise ValueError(f"may have no query but ?{_WITHOUT_TLS}, where it begins with smtp://")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("needs both user name and password, or neither")
    if not re.fullmatch(r"[ -~]*", unquote(f"{parts.username or ''}{parts.password or ''}")):
        raise ValueError("may have only printable ASCII in user name and password")
    return value


def _sender(value: str) -> str:
    read_sender(value)
    return value


def _line(longest: int) -> AfterValidator:
    def check(value: str) -> str:
        text = value.strip()
        if not text.isprintable() or len(text) > longest:
            raise ValueError(f"must be one line of at most {longest} characters that are printed")
        return text

    return AfterValidator(check)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Language = Literal["en", "de", "es", "fr", "ja"]
Positive = Annotated[Duration, Field(gt=timedelta(0))]
Network = Annotated[str, AfterValidator(_network)]
Rate = Annotated[
    str,
    _matching(r"off|[1-9]\d{0,8}/(second|minute)", "must be off, N/second or N/minute"),
]
MetadataHost = Annotated[
    str,
    _matching(
        r"\*|(?=.{1,253}(:|$))[a-z0-9-]+(\.[a-z0-9-]+)+(:[1-9]\d{0,4})?",
        "must be host names in lower case, such as claude.ai, or *",
    ),
]


def origin_of(url: str) -> str:
    """The origin of an http or https URL as browsers write it (RFC 6454 §6.2)."""
    parts = urlsplit(url.lower())
    default_port = {"https": ":443", "http": ":80"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(default_port)}"


def is_loopback(host: str) -> bool:
    """Whether `host` can only be reached from this machine (RFC 8252 §7.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Settings(BaseModel):
    """The settings, checked one by one and together. Durations are `timedelta`.

    What stands below a setting is its text in docs/reference/settings.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    url: AudienceId = "http://127.0.0.1:9000"
    """The issuer identifier: `iss` of every token and the base of every endpoint. If it is `http`
    on loopback with a port, `issuer serve` listens at that port."""
    data_dir: Path = Path("issuer-data")
    """Directory of the master key and the SQLite database. Commands need the one of the server:
    the default is below the working directory.
    """
    database_url: SecretStr | None = None
    """SQLite in the data directory by default; `postgresql://…` for more than one host."""
    master_key: SecretStr | None = None
    """Key under which private keys and secrets are encrypted; by default `master.key` in the data
    directory."""
    database_pool: int = Field(20, ge=2, le=1_000)
    """Connections to the database that each process opens at most."""
    admin_secret: Annotated[
        SecretStr | None,
        # VSCHAR of RFC 6749 appendix A.2, but no space.
        _matching(
            r"[!-~]{32,256}", "must have 32 to 256 characters of printable ASCII, without spaces"
        ),
    ] = None
    """The first secret of the admin client, 32 to 256 characters. `issuer init` uses it when it
    creates that client; by default it makes a secret and prints it."""
    access_token_ttl: Annotated[Duration, AfterValidator(within_bounds)] = timedelta(seconds=900)
    """Lifetime of a token if neither the client nor the audience sets one."""
    client_secret_ttl: Annotated[
        Annotated[timedelta, Field(ge=timedelta(hours=1))] | None, _duration_unless("off")
    ] = None
    """Lifetime of a client secret that is made without an end, such as `90d`; at least 1h, or
    `off`. It is not for secrets that `issuer init` and `issuer admin recover` make, nor for clients
    that register themselves."""
    max_token_bytes: int = Field(4096, ge=1024, le=65536)
    """Maximum size of a token in bytes. A larger one is refused."""
    signing_algorithms: Annotated[
        tuple[SigningAlgorithm, ...], BeforeValidator(_words), AfterValidator(_each_once)
    ] = (SigningAlgorithm.RS256,)
    """Algorithms that audiences can use, separated by commas: RS256, PS256, ES256, EdDSA, Ed25519.
    The first is the default of a new audience. `Ed25519` is the newer name of `EdDSA`: see [EdDSA
    and Ed25519](access-token.md#eddsa-and-ed25519)."""
    key_sign_for: Positive = timedelta(days=30)
    """How long a key signs."""
    key_announce_for: Positive = timedelta(hours=24)
    """How long a key is published before it may sign."""
    key_folder: Path | None = None
    """Folder for private keys as PEM files. By default private keys are encrypted in the
    database."""
    jwks_max_age: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=300)
    """`max-age` of the key set."""
    jwks_max_stale: Duration = timedelta(seconds=300)
    """How long beyond its `max-age` a verifier may still use a key set."""
    password_grant: bool = True
    """Whether the issuer offers the password grant."""
    password_hash: Literal["rfc9106", "owasp"] = "rfc9106"  # noqa: S105 - a profile of argon2id
    """argon2id parameters: `rfc9106` (64 MiB, t=3, p=4) or `owasp` (19 MiB, t=2, p=1). Old hashes
    are renewed when the user signs in."""
    password_workers: int = Field(2, ge=1, le=64)
    """Passwords hashed at the same time in each process."""
    password_queue: int = Field(16, ge=0, le=10_000)
    """Sign-ins that may wait for a worker in each process; beyond it 503."""
    refresh_idle: Positive = timedelta(days=14)
    """A refresh token that is not used for this long expires."""
    refresh_ttl: Positive = timedelta(days=90)
    """Maximum lifetime of a refresh token family."""
    refresh_reuse_grace: Duration = timedelta(0)
    """How long a client may repeat a refresh request whose answer was lost."""
    session_idle: Positive = timedelta(hours=8)
    """A session expires when its browser sent no request for this long. An application that
    refreshes its tokens does not use the session."""
    session_ttl: Positive = timedelta(days=30)
    """Maximum lifetime of a session in a browser."""
    fresh_sign_in: Annotated[Duration, Field(ge=timedelta(minutes=10))] = timedelta(minutes=60)
    """How old a sign-in may be, second factor included, where a device asks for access to an
    AgentOS; at least 10m. Rights at the issuer itself always need one of the last ten minutes."""
    sign_in_failures: int = Field(10, ge=1, le=1000)
    """Wrong passwords of a user in a row before the user is locked; ten times as many in a day."""
    sign_in_lock: Positive = timedelta(minutes=15)
    """How long a lock lasts."""
    second_factor: Literal["optional", "required"] = "optional"
    """`required`: nobody signs in with a password alone. People without a second factor set one up
    when they sign in, also those who were signed in before, and the password grant is refused."""
    dpop_nonce: Literal["off", "required"] = "off"
    """`required`: a DPoP proof holds a nonce of this issuer, so that none can be made in advance
    (RFC 9449 §8)."""
    rate_limit_failures: Rate = "60/minute"
    """Wrong credentials allowed from one address: `N/second`, `N/minute` or `off`."""
    rate_limit_passwords: Rate = "60/minute"
    """Right passwords checked, and new ones set, for one user; for one address ten times as many:
    `N/second`, `N/minute` or `off`."""
    rate_limit_requests: Rate = "off"
    """Token requests allowed for one client: `N/second`, `N/minute` or `off`."""
    rate_limit_redis_url: Annotated[
        SecretStr | None,
        _matching(
            r"(redis|rediss|redis\+unix)://\S+",
            "must begin with redis://, rediss:// or redis+unix://",
        ),
    ] = None
    """Redis in which all processes count rate limits together, such as
    `redis://:password@host:6379/0`. By default each process counts for itself."""
    client_registration: Literal["off", "token", "open"] = "off"
    """Who may register clients at `/oauth2/register`: nobody (`off`), callers with an access token
    of the scope `issuer:clients:register` (`token`), or everybody (`open`). Such clients have no
    rights of their own."""
    client_metadata_hosts: Annotated[tuple[MetadataHost, ...], BeforeValidator(_words)] = ()
    """Hosts whose client metadata documents are accepted, separated by commas, such as `claude.ai`;
    with a port unless it is 443; `*` for all. Off by default. Clients of other hosts are unknown,
    unless they are pinned."""
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_words)] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` is trusted, separated by commas."""
    verifier_networks: Annotated[tuple[Network, ...], BeforeValidator(_words)] = ()
    """Addresses or networks of your AgentOS, separated by commas: reports of verifiers from others
    are ignored. By default all count, and anybody can send one."""
    daily_inspection: bool = True
    """Inspect each AgentOS whose audience has a `url`: once a day, and soon after the URL is set.
    See [Inspect an AgentOS](../how-to/inspect-an-agentos.md)."""
    audit_keep: Annotated[
        Annotated[timedelta, Field(ge=timedelta(days=7))] | None, _duration_unless("forever", "0")
    ] = None
    """How long audit events are kept, such as `400d`; at least 7d. By default forever."""
    audit_checkpoint_every: Annotated[Duration, Field(ge=timedelta(seconds=10))] = timedelta(
        minutes=5
    )
    """How often a signed checkpoint of the audit log is written, if there are new events."""
    audit_push_url: Annotated[SecretStr, AfterValidator(_push_url)] | None = None
    """Where audit events are sent as they come: `https://…`, `syslog+tls://host:6514` or
    `syslog://host:601`. Off by default. See [Send it
    elsewhere](../how-to/audit.md#send-it-elsewhere)."""
    audit_push_token: Annotated[
        SecretStr | None,
        # Of other systems, which have their own forms.
        _matching(
            r"[!-~]{1,4096}", "must have 1 to 4096 characters of printable ASCII, without spaces"
        ),
    ] = None
    """Bearer token for the destination of audit events, if it is `https://`."""
    audit_push_ca: Path | None = None
    """File with the certificate authorities, in PEM, of the destination of audit events. By default
    those of certifi, or of `SSL_CERT_FILE`."""
    audit_format: Literal["json", "ocsf"] = "json"
    """How audit events are sent: `json`, or `ocsf` for the names of [OCSF](audit-ocsf.md)."""
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    """Mail server that sends invitations, password resets and notes about sign-ins from new
    addresses: `smtp://user:password@host:587` with STARTTLS, or `smtps://user:password@host:465`.
    Off by default. See [Send mail](../how-to/send-mail.md)."""
    smtp_from: Annotated[str, AfterValidator(_sender)] | None = None
    """Sender of messages, such as `Issuer <id@example.com>`; required with `ISSUER_SMTP_URL`."""
    smtp_ca: Path | None = None
    """File with the certificate authorities, in PEM, of the mail server. By default those of
    certifi, or of `SSL_CERT_FILE`."""
    language: Language = "en"
    """Language of mail, and of pages for browsers that ask for none of these: `en`, `de`, `es`,
    `fr`, `ja`. See [Languages](../reference/sign-in.md#languages)."""
    brand_name: Annotated[str, _line(60)] | None = None
    """Name on the pages and in the subjects of messages, such as `Example Inc.`. By default the
    host of `ISSUER_URL`. See [Brand the sign-in pages](../how-to/brand-sign-in.md)."""
    brand_logo: Path | None = None
    """Logo on the pages: a PNG or WebP file of at most 64 KiB and 1024 x 1024 pixels."""
    brand_accent: Annotated[str, AfterValidator(accent_color)] | None = None
    """Color of buttons and links, such as `#2952c8`. Its contrast with the light theme must be at
    least 4.5 to 1; for the dark theme it is made lighter if it must be."""
    brand_help: Annotated[str, _line(200)] | None = None
    """A line below each page that says where people get help; URLs and e-mail addresses in it
    become links."""
    metrics_token: Annotated[
        SecretStr | None,
        # RFC 6750 §2.1, and too long to be guessed.
        _matching(
            r"[A-Za-z0-9._~+/-]{16,1024}=*",
            "must have at least 16 characters, each of A-Z a-z 0-9 . _ ~ + / -",
        ),
    ] = None
    """Bearer token for `/metrics`. Off by default."""
    max_connections: int = Field(4096, ge=1, le=1_000_000)
    """Connections that a process accepts at once; fewer if the limit of open files is lower. See
    [Sizes](limits.md#sizes)."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""
    log_requests: Annotated[
        str,
        _matching(
            r"off|errors|0(\.\d{1,6})?|1(\.0{1,6})?",
            "must be off, errors, or a share from 0 to 1, such as 0.01",
        ),
    ] = "off"
    """Requests that get a log line of their own, at the level `info`: `off`, `errors` (status 400
    and above), or errors and a share of the others, such as `0.01` or `1`."""
    api_docs: bool = True
    """Whether `/docs` shows the API. `/openapi.json` is served in any case."""
    hsts_max_age: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(0)
    """`max-age` of `Strict-Transport-Security` (RFC 6797), such as `365d`: so long browsers use
    `https` only. Not sent by default, nor if `ISSUER_URL` is `http`."""
    dangerously_allow_http: bool = False
    """Allows an `http://` URL on an address that other machines can reach."""

    @model_validator(mode="after")
    def _url_is_an_issuer_identifier(self) -> Self:
        """RFC 8414 §2: https, with no query and no fragment."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
            raise ValueError("ISSUER_URL must be an https:// URL with a host and no credentials.")
        try:
            parts.port  # noqa: B018 - reading it is the check
        except ValueError:
            raise ValueError("ISSUER_URL has a port that no server can have.") from None
        if parts.path.endswith("/"):
            # `iss` is compared byte for byte, and is usually written without.
            raise ValueError("ISSUER_URL must not end with a slash.")
        if parts.scheme == "http" and not (is_loopback(host) or self.dangerously_allow_http):
            raise ValueError(
                "ISSUER_URL must be https:// on anything but loopback;"
                " ISSUER_DANGEROUSLY_ALLOW_HTTP=true allows it."
            )
        return self

    @model_validator(mode="after")
    def _durations_fit_together(self) -> Self:
        if self.key_announce_for < self.key_set_kept_for:
            raise ValueError(
                "ISSUER_KEY_ANNOUNCE_FOR must be at least ISSUER_JWKS_MAX_AGE +"
                " ISSUER_JWKS_MAX_STALE, or a verifier could get tokens of a key that it has not"
                " seen."
            )
        if self.key_sign_for < self.key_announce_for:
            raise ValueError(
                "ISSUER_KEY_SIGN_FOR must be at least ISSUER_KEY_ANNOUNCE_FOR,"
                " or there would be times without a next key."
            )
        if self.refresh_idle > self.refresh_ttl:
            raise ValueError("ISSUER_REFRESH_IDLE may not be longer than ISSUER_REFRESH_TTL.")
        if self.session_idle > self.session_ttl:
            raise ValueError("ISSUER_SESSION_IDLE may not be longer than ISSUER_SESSION_TTL.")
        return self

    @model_validator(mode="after")
    def _push_settings_fit_its_url(self) -> Self:
        url = self.audit_push_url.get_secret_value() if self.audit_push_url else ""
        if self.audit_push_token and not url.startswith("http"):
            raise ValueError(
                "ISSUER_AUDIT_PUSH_TOKEN is for an ISSUER_AUDIT_PUSH_URL that begins with https://:"
                " syslog has no token. Unset one of them."
            )
        if self.audit_push_ca and not url.startswith(("https:", "syslog+tls:")):
            raise ValueError(
                "ISSUER_AUDIT_PUSH_CA is for an ISSUER_AUDIT_PUSH_URL that begins with https:// or"
                " syslog+tls://."
            )
        return self

    @model_validator(mode="after")
    def _mail_settings_fit_together(self) -> Self:
        if (self.smtp_url is None) != (self.smtp_from is None):
            raise ValueError(
                "ISSUER_SMTP_URL and ISSUER_SMTP_FROM need each other: set both, or neither."
            )
        if self.smtp_ca is not None and self.smtp_url is None:
            raise ValueError("ISSUER_SMTP_CA is for an ISSUER_SMTP_URL.")
        return self

    @property
    def key_set_kept_for(self) -> timedelta:
        """How long a verifier may use a key set."""
        return self.jwks_max_age + self.jwks_max_stale

    @property
    def logged_share(self) -> float | None:
        """The share of the requests without an error that are logged; None if errors are not."""
        if self.log_requests == "off":
            return None
        return 0.0 if self.log_requests == "errors" else float(self.log_requests)

    @property
    def users_sign_in_with_password(self) -> bool:
        """Whether users can get tokens by the password grant."""
        return self.password_grant and self.second_factor == "optional"

    @property
    def hsts(self) -> str | None:
        """The value of `Strict-Transport-Security`; None if it is not sent (RFC 6797 §7.2)."""
        seconds = int(self.hsts_max_age.total_seconds())
        return f"max-age={seconds}" if seconds and self.url.startswith("https:") else None

    @property
    def shown_name(self) -> str:
        """What people know the issuer by: its name, or host and path of its URL."""
        url = urlsplit(self.url)
        return self.brand_name or f"{url.netloc}{url.path}"

    @property
    def base_path(self) -> str:
        """The path that every endpoint begins with; empty at the root of a host."""
        return urlsplit(self.url).path

    @property
    def local_port(self) -> int:
        """Where a server of this machine listens: the port of an http URL on loopback, or 9000."""
        parts = urlsplit(self.url)
        is_here = parts.scheme == "http" and is_loopback(parts.hostname or "")
        return parts.port if is_here and parts.port else _PORT

    @property
    def effective_database_url(self) -> str:
        """The database. The URL may hold a password: never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{quote(str((self.data_dir / 'issuer.db').absolute()))}"

    @property
    def needs_data_dir(self) -> bool:
        """Whether the master key or the database is a file in the data directory."""
        return self.master_key is None or self.database_url is None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings in `environment`. `ConfigurationError` has no value: it may be a secret."""
        environment = os.environ if environment is None else environment
        try:
            return cls.model_validate(_read(environment, known=set(cls.model_fields)))
        except ValidationError as error:
            raise ConfigurationError(_sentence(error)) from None


def _read(environment: Mapping[str, str], known: set[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in OF_THE_COMMAND_LINE:
            continue
        setting = name.removeprefix(PREFIX)
        if (secret := setting.removesuffix("_FILE")) in SECRETS and setting.endswith("_FILE"):
            if PREFIX + secret in environment:
                raise ConfigurationError(f"{PREFIX}{secret} and {name} are both set: keep one.")
            values[secret.lower()] = _content(name, value, private=name == _MASTER_KEY_FILE)
        elif setting.lower() in known and setting.isupper():
            values[setting.lower()] = value
        else:
            if _SERVICE_LINK.fullmatch(name):
                raise ConfigurationError(
                    f"{name} is not a setting of the issuer. Kubernetes sets it for a Service of"
                    " that name: set `enableServiceLinks: false` in the pod."
                )
            names = [PREFIX + each.upper() for each in known]
            meant = did_you_mean(name, [*names, *(f"{PREFIX}{each}_FILE" for each in SECRETS)])
            raise ConfigurationError(f"{name} is not a setting of the issuer.{meant}")
        if not value.strip():
            raise ConfigurationError(f"{name} is empty: give it a value, or unset it.")
    return values


def _content(name: str, path: str, *, private: bool) -> str:
    try:
        return read_trusted(Path(path), private=private).decode("utf-8").strip()
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{name} cannot be read: {path}: {reason_of(error)}.") from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    message = in_words(first["msg"])
    if not first["loc"]:
        return message
    return f"{PREFIX}{str(first['loc'][0]).upper()}: {message}."
