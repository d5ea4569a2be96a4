"""What each page shows: one frozen value for each template, without HTML."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode

from issuer.audit.activity import Activity
from issuer.catalogue.permissions import PermissionGroup
from issuer.inspection.usable import UsableAgentOS
from issuer.languages import N_, _
from issuer.sign_in import Factor
from issuer.sign_in.authorization_request import Device
from issuer.sign_in.identities import Identity
from issuer.sign_in.sessions_store import SignInSession

COPY = "copy.js"  # of pages with something that is shown once
SUGGEST = "console.js"  # of pages with fields that are completed


@dataclass(frozen=True, slots=True)
class Form:
    """Hidden fields: the anti-forgery token, the request it is for, the page to go to next.

    `once` tells a form that is sent again from another one of the same kind.
    """

    token: str = field(repr=False)
    request_id: str = ""
    next: str = ""
    once: str = ""

    @property
    def query(self) -> str:
        """What a link to another page about the same request has behind its path."""
        given = {"request": self.request_id, "next": self.next}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"?{query}" if query else ""


@dataclass(frozen=True, slots=True)
class Application:
    """A client as people see it. `host` is where the answer is sent.

    `described_at` is the host of its metadata document, if that is where it is known from.
    """

    name: str
    host: str
    is_registered: bool = True
    is_loopback: bool = False
    described_at: str = ""


@dataclass(frozen=True, slots=True)
class AgentOS:
    """The audience as people see it; `host` is that of its `resources`, if it has any."""

    name: str
    id: str
    host: str = ""

    @property
    def where(self) -> str:
        """What tells it from others of that name."""
        return self.host or (self.id if self.id != self.name else "")


@dataclass(frozen=True, slots=True)
class ActingAt:
    """The names of the clients that may act for the person at an AgentOS.

    Where `is_external`, that is another authorization server, whose tokens are its own: for a
    `resource` there, with these `scopes`.
    """

    agent_os: AgentOS
    clients: tuple[str, ...]
    is_external: bool = False
    resource: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebPage:
    """What every page has. `user` is the name of the person who is signed in.

    `opens_console`: the page links to the console, which this person may open. `leads_elsewhere`:
    one of its forms is answered with a redirect to a trusted issuer.
    """

    TEMPLATE: ClassVar[str]
    HEADING: ClassVar[str] = ""
    WIDE: ClassVar[bool] = False
    SCRIPT: ClassVar[str] = ""
    HAS_DATA_IMAGES: ClassVar[bool] = False
    user: str = ""
    opens_console: bool = False
    leads_elsewhere: bool = False

    @property
    def title(self) -> str:
        return _(self.HEADING)

    @property
    def script(self) -> str:
        """The file that the page loads; empty for none."""
        return self.SCRIPT if getattr(self, "offers_passkey", True) else ""

    @property
    def templates(self) -> tuple[str, ...]:
        """The first of these that exists shows the page."""
        return (self.TEMPLATE,)


@dataclass(frozen=True, kw_only=True)
class FormPage(WebPage):
    """The form was refused if there is an `error`, or `errors` by the name of the field."""

    form: Form
    error: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """HEADING, after a word for a form that was refused."""
        is_wrong = self.error or self.errors
        return _("Error: %(title)s", title=self.heading) if is_wrong else self.heading

    @property
    def heading(self) -> str:
        return _(self.HEADING)


@dataclass(frozen=True, kw_only=True)
class HomePage(WebPage):
    TEMPLATE = "home.html"
    HEADING = N_("Sign in to your AgentOS")


@dataclass(frozen=True, slots=True)
class ProviderButton:
    """A trusted issuer where people sign in. `is_only`: only administrators sign in without."""

    id: str
    name: str
    is_only: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInPage(FormPage):
    """`is_local`: with user name and password, which else are at `local_path`."""

    TEMPLATE = "sign_in.html"
    HEADING = N_("Sign in")
    SCRIPT = "passkeys.js"
    application: Application | None = None
    username: str = ""
    notice: str = ""
    done: str = ""
    offers_passkey: bool = False
    providers: tuple[ProviderButton, ...] = ()
    is_local: bool = True
    local_path: str = ""


@dataclass(frozen=True, kw_only=True)
class SecondFactorPage(FormPage):
    TEMPLATE = "second_factor.html"
    HEADING = N_("Second factor")
    SCRIPT = "passkeys.js"
    takes_app: bool = True
    takes_code: bool = True
    offers_passkey: bool = False


@dataclass(frozen=True, kw_only=True)
class ConsentPage(FormPage):
    """`may_not` is what the person could do there, and the application cannot.

    `acting`: where others may act for the person with the access. `lasts` says how long it lasts,
    `identity` what the application learns of the person; `offer` marks what the page says, so that
    nothing else is allowed. `device`: where the access goes, if not to this browser.
    """

    TEMPLATE = "consent.html"
    application: Application
    agent_os: AgentOS | None
    may: tuple[PermissionGroup, ...]
    may_not: tuple[PermissionGroup, ...]
    acting: tuple[ActingAt, ...]
    identity: tuple[str, ...]
    lasts: str
    offer: str
    notice: str = ""
    device: Device | None = None

    @property
    def title(self) -> str:
        return _("Allow %(application)s?", application=self.application.name)


@dataclass(frozen=True, slots=True)
class ConsentView:
    client_id: str
    application: str
    agent_os: str
    granted_at: datetime
    acting: tuple[ActingAt, ...] = ()


@dataclass(frozen=True, slots=True)
class DelegationView:
    """A client that acts for the person `at` an AgentOS, through the application `through`."""

    client_id: str
    name: str
    at: str
    through: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class AccountPage(FormPage):
    """`why_no_passkeys` is empty where passkeys can be added. `session_id` is this browser's.

    `identities` have the names of their issuers. At `providers` no account is linked. What the
    person may use comes first; `has_more_usable` if that is not all.
    """

    TEMPLATE = "account.html"
    WIDE = True
    HEADING = N_("Your account")
    name: str
    username: str
    email: str
    email_verified: bool = False
    language: str = ""
    has_password: bool
    factors: tuple[Factor, ...]
    recovery_codes_left: int
    why_no_passkeys: str
    sessions: tuple[SignInSession, ...]
    session_id: str
    consents: tuple[ConsentView, ...]
    delegations: tuple[DelegationView, ...] = ()
    identities: tuple[Identity, ...] = ()
    providers: tuple[ProviderButton, ...] = ()
    usable: tuple[UsableAgentOS, ...] = ()
    has_more_usable: bool = False
    activity: tuple[Activity, ...] = ()
    done: str = ""


@dataclass(frozen=True, kw_only=True)
class ProfilePage(FormPage):
    """Where `is_kept_elsewhere`, only the language can be changed here."""

    TEMPLATE = "profile.html"
    HEADING = N_("Your profile")
    name: str
    language: str
    is_kept_elsewhere: bool = False


@dataclass(frozen=True, kw_only=True)
class EmailPage(FormPage):
    TEMPLATE = "email.html"
    HEADING = N_("Your e-mail address")
    email: str
    is_kept_elsewhere: bool = False


@dataclass(frozen=True, kw_only=True)
class PasswordPage(FormPage):
    """Change the own password, or set the first one; `errors` by the name of the field."""

    TEMPLATE = "password.html"
    username: str
    has_password: bool = True

    @property
    def heading(self) -> str:
        return _("Change your password") if self.has_password else _("Set a password")


@dataclass(frozen=True, kw_only=True)
class ConfirmPage(FormPage):
    """Asks before something is done to what the form names as `named`, by its id."""

    TEMPLATE = "confirm.html"
    action: str
    what: str
    why: str
    button: str
    named: tuple[str, str] = ("", "")
    is_dangerous: bool = False
    way_back: str = "/account"

    @property
    def title(self) -> str:
        return self.what


@dataclass(frozen=True, kw_only=True)
class AuthenticatorPage(FormPage):
    """Add an authenticator app. `qr` is an SVG path of modules, `size` their number in a row.

    `setup` is the sealed secret, which the form sends back.
    """

    TEMPLATE = "authenticator.html"
    HEADING = N_("Add an authenticator app")
    SCRIPT = "passkeys.js"
    action: str
    setup: str = field(repr=False)
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr_path: str = field(repr=False)
    qr_size: int
    is_required: bool = False
    offers_passkey: bool = False


@dataclass(frozen=True, kw_only=True)
class RecoveryCodesPage(WebPage):
    """`replaces`: there were earlier ones."""

    TEMPLATE = "recovery_codes.html"
    SCRIPT = COPY
    HEADING = N_("Your recovery codes")
    codes: tuple[str, ...] = field(repr=False)
    next_url: str
    replaces: bool = False


@dataclass(frozen=True, kw_only=True)
class AddPasskeyPage(FormPage):
    TEMPLATE = "passkey.html"
    HEADING = N_("Add a passkey")
    SCRIPT = "passkeys.js"
    offers_passkey: bool = True
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class PasswordResetPage(FormPage):
    """Where somebody asks for a link; `is_sent` after that, whoever it was."""

    TEMPLATE = "password_reset.html"
    HEADING = N_("Reset your password")
    name: str = ""
    is_sent: bool = False


@dataclass(frozen=True, kw_only=True)
class NewPasswordPage(FormPage):
    """`action` is the path of the link."""

    TEMPLATE = "new_password.html"
    HEADING = N_("Set a new password")
    action: str = field(repr=False)
    username: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class InvitationPage(FormPage):
    """`action` is the path of the invitation. `elsewhere` says where alone the user signs in."""

    TEMPLATE = "invitation.html"
    HEADING = N_("Your invitation")
    SCRIPT = "passkeys.js"
    action: str = field(repr=False)
    name: str
    username: str
    expires_at: datetime
    elsewhere: str = ""
    offers_passkey: bool = False
    providers: tuple[ProviderButton, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SignOutPage(FormPage):
    """`application` asked for it, and gets the person back."""

    TEMPLATE = "sign_out.html"
    HEADING = N_("Sign out?")
    application: str = ""


@dataclass(frozen=True, kw_only=True)
class SignedOutPage(WebPage):
    """`still_at` is a trusted issuer where the person stays signed in."""

    TEMPLATE = "signed_out.html"
    HEADING = N_("Signed out")
    still_at: str = ""


@dataclass(frozen=True, kw_only=True)
class ProblemPage(WebPage):
    """`heading`, `sentence` and ways on for everybody; the rest, if any, for developers."""

    TEMPLATE = "problem.html"
    heading: str
    sentence: str
    way_back: str = ""
    way_back_says: str = ""
    leaves_by: str = ""
    leaves_says: str = ""
    parameter: str = ""
    given: str | None = None
    registered: tuple[str, ...] = ()
    section: str = ""
    request_id: str = ""

    @property
    def title(self) -> str:
        return self.heading
