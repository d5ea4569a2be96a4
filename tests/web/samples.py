"""Each page with sample data: usual, with the longest names, with nothing, and after an error."""

from datetime import UTC, datetime, timedelta

from issuer.audit.activity import Activity
from issuer.catalogue.permissions import in_words
from issuer.inspection.usable import UsableAgentOS
from issuer.sign_in import Factor
from issuer.sign_in.authorization_request import Device
from issuer.sign_in.identities import Identity
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.device import DevicePage
from issuer.web.factors import qr_path
from issuer.web.views import (
    AccountPage,
    ActingAt,
    AddPasskeyPage,
    AgentOS,
    Application,
    AuthenticatorPage,
    ConfirmPage,
    ConsentPage,
    ConsentView,
    DelegationView,
    EmailPage,
    Form,
    HomePage,
    InvitationPage,
    NewPasswordPage,
    PasswordPage,
    PasswordResetPage,
    ProblemPage,
    ProfilePage,
    ProviderButton,
    RecoveryCodesPage,
    SecondFactorPage,
    SignedOutPage,
    SignInPage,
    SignOutPage,
    WebPage,
)

NOW = datetime(2026, 11, 26, 20, 40, tzinfo=UTC)
FORM = Form("t" * 43)
STEP = Form("t" * 43, "r" * 22)
LONGEST = "Extraordinarily Long Application Name " * 3

URI = "otpauth://totp/id.example:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=id.example"
QR = qr_path(URI)

CLAUDE = Application("Claude", "claude.ai")
PRODUCTION = AgentOS("Production", "my-os", "os.example.com")
ARCHIVE = ActingAt(
    AgentOS("Archive", "archive", "archive.example.com"), ("Support agents", "Mailer")
)
PROVIDERS = (
    ProviderButton("entra", "Entra", is_only=True),
    ProviderButton("github", "GitHub"),
    ProviderButton("okta", "Okta"),
)
HELD = ["agents:web:run", "agents:research:run", "agents:read", "teams:read", "workflows:daily:run"]
MORE = ["agents:run", "sessions:delete", "memories:write", "components:write"]


def consent(**changes: object) -> ConsentPage:
    members: dict[str, object] = {
        "user": "alice",
        "form": STEP,
        "application": CLAUDE,
        "agent_os": PRODUCTION,
        "may": in_words([*HELD, "sessions:read", "sessions:write", "knowledge:read"]),
        "may_not": in_words(MORE),
        "acting": (ARCHIVE,),
        "identity": ("Your name and user name",),
        "offer": "0" * 32,
        "lasts": "until you withdraw it, also while you are signed out. After 90 days, or 14 days"
        " without use, you sign in again.",
        **changes,
    }
    return ConsentPage(**members)  # type: ignore[arg-type]


def session(
    id_: str, user_agent: str, address: str, age: timedelta, unused: timedelta
) -> SignInSession:
    return SignInSession(
        id=id_,
        user_id="alice",
        created_at=NOW - age,
        authenticated_at=NOW - age,
        used_at=NOW - unused,
        methods=("pwd",),
        address=address,
        user_agent=user_agent,
    )


def identity(*members: object) -> Identity:
    id_, issuer, name, created_at, last_used_at = members
    return Identity.model_construct(
        id=id_, issuer=issuer, name=name, created_at=created_at, last_used_at=last_used_at
    )


def usable(number: int, **changes: object) -> UsableAgentOS:
    scopes = ["agents:run"] if number % 3 else ["agents:web:run", "teams:triage:run"]
    members: dict[str, object] = {
        "id": f"os-{number}",
        "name": ("Production", "Research", "Support")[number % 3],
        "url": "https://os.example.com" if number % 2 == 0 else "",
        "may": in_words(scopes, {("agents", "web"): "Web researcher"}),
        "ends_at": NOW + timedelta(hours=6) if number % 3 == 2 else None,
        "in_part": False,
        **changes,
    }
    return UsableAgentOS(**members)  # type: ignore[arg-type]


def activity(text: str, age: timedelta, about: str = "", *, by_others: bool = False) -> Activity:
    address = "" if by_others else "203.0.113.7"
    return Activity(NOW - age, text, "", about, address, by_others)


ACTIVITY = (
    activity("Signed in", timedelta(hours=2)),
    activity("A sign-in failed", timedelta(hours=2, minutes=1)),
    activity("An application was allowed to act for you", timedelta(days=12), "Claude"),
    activity("You got a role", timedelta(days=13), "support-agent", by_others=True),
)


def account(**changes: object) -> AccountPage:
    members: dict[str, object] = {
        "user": "alice",
        "form": FORM,
        "name": "Alice Example",
        "username": "alice",
        "email": "alice@example.com",
        "email_verified": True,
        "language": "Deutsch",
        "has_password": True,
        "factors": (
            Factor(
                id="1",
                kind="totp",
                name="",
                created_at=NOW - timedelta(days=90),
                last_used_at=NOW - timedelta(hours=2),
            ),
            Factor(
                id="2",
                kind="passkey",
                name="Work laptop",
                created_at=NOW - timedelta(days=40),
                last_used_at=None,
            ),
        ),
        "recovery_codes_left": 2,
        "why_no_passkeys": "",
        "sessions": (
            session("1", "Firefox/140.0 (Linux)", "203.0.113.7", timedelta(days=3), timedelta()),
            session(
                "2",
                "Safari/18.0 (iPhone)",
                "2001:db8:85a3::8a2e:370:7334",
                timedelta(days=12),
                timedelta(hours=5),
            ),
        ),
        "session_id": "1",
        "consents": (
            ConsentView("c", "Claude", "Production", NOW - timedelta(days=12), (ARCHIVE,)),
            ConsentView("d", "Team wiki", "", NOW - timedelta(days=200)),
        ),
        "delegations": (
            DelegationView("a", "Support agents", "Archive", "Claude", NOW + timedelta(minutes=11)),
        ),
        "usable": tuple(map(usable, range(3))),
        "activity": ACTIVITY,
        **changes,
    }
    return AccountPage(**members)  # type: ignore[arg-type]


PAGES: dict[str, WebPage] = {
    "home": HomePage(),
    "home-signed-in": HomePage(user="alice"),
    "sign-in": SignInPage(form=STEP, application=CLAUDE, offers_passkey=True),
    "sign-in-plain": SignInPage(form=FORM),
    "sign-in-wrong": SignInPage(
        form=STEP,
        application=CLAUDE,
        username="alice",
        error="Wrong user name or password.",
        offers_passkey=True,
    ),
    "sign-in-longest": SignInPage(form=STEP, application=Application(LONGEST, "example.com")),
    "sign-in-providers": SignInPage(
        form=STEP,
        application=CLAUDE,
        offers_passkey=True,
        providers=PROVIDERS,
        leads_elsewhere=True,
    ),
    "sign-in-only": SignInPage(
        form=FORM, providers=PROVIDERS[:1], is_local=False, local_path="/sign-in?local=1"
    ),
    "sign-in-only-application": SignInPage(
        form=STEP,
        application=CLAUDE,
        providers=PROVIDERS[:1],
        is_local=False,
        local_path="/sign-in?local=1",
    ),
    "sign-in-only-refused": SignInPage(
        form=FORM,
        username="alice",
        providers=PROVIDERS[:1],
        error="Sign in with Entra. Only administrators sign in here without it.",
    ),
    "sign-in-providers-longest": SignInPage(
        form=STEP,
        application=Application(LONGEST, "example.com"),
        providers=tuple(ProviderButton(f"{i}", f"{'long-name-' * 12}{i}") for i in range(12)),
    ),
    "second-factor": SecondFactorPage(form=STEP, offers_passkey=True),
    "second-factor-wrong": SecondFactorPage(form=STEP, error="This code is not valid now."),
    "consent": consent(),
    "consent-everything": consent(
        may=in_words(["agent_os:admin"]), may_not=(), identity=(), application=CLAUDE
    ),
    "consent-unregistered": consent(
        application=Application("MCP Inspector", "127.0.0.1:6274", False, True),
        may=in_words([*HELD, *MORE, "invoices:approve"]),
        may_not=(),
    ),
    "consent-described": consent(
        application=Application("Claude Code", "localhost:3118", False, True, "claude.ai"),
        may=in_words(HELD),
        may_not=(),
    ),
    "consent-identity": consent(
        agent_os=None,
        may=(),
        may_not=(),
        acting=(),
        identity=("Your name and user name", "Your e-mail"),
    ),
    "consent-device": consent(
        application=Application("Deploy tool", "id.example"),
        may=in_words(HELD),
        identity=(),
        device=Device("00", "WDJB-MJHT", "203.0.113.7"),
    ),
    "device": DevicePage(user="alice", form=FORM, user_code="WDJB-MJHT"),
    "device-wrong": DevicePage(
        user="alice",
        form=FORM,
        user_code="WDJB-MJHX",
        error="This code is not valid: it was mistyped, used already, or is older than ten"
        " minutes.",
    ),
    "device-allowed": DevicePage(user="alice", form=FORM, allowed=True),
    "device-refused": DevicePage(user="alice", form=FORM, refused="Start again on the device."),
    "consent-longest": consent(
        application=Application(
            LONGEST,
            f"{'long-' * 12}host.example.com",
            False,
            described_at=f"{'long-' * 12}id.example",
        ),
        agent_os=AgentOS(LONGEST, "https://" + "a" * 100),
        acting=(
            ActingAt(AgentOS(LONGEST, "https://" + "a" * 100), (LONGEST,) * 5),
            ActingAt(
                AgentOS("login.example", "https://login.example"),
                ("Mailer",),
                True,
                "https://mail.login.example/mcp",
                ("mail.read", "mail.send"),
            ),
        ),
        may=in_words([f"agents:{'agent-with-a-long-id-' * 3}{i}:run" for i in range(30)]),
    ),
    "account": account(),
    "account-new": account(
        name="",
        email="",
        factors=(),
        recovery_codes_left=0,
        consents=(),
        delegations=(),
        sessions=account().sessions[:1],
        why_no_passkeys="Passkeys need a host name; this issuer runs at an IP address.",
        usable=(),
        activity=(),
    ),
    "account-60": account(usable=tuple(map(usable, range(60))), has_more_usable=True),
    "account-longest": account(
        name=LONGEST,
        email=f"{'very.long.' * 20}@example.com",
        done="Claude no longer acts for you.",
        consents=tuple(ConsentView("c", f"{LONGEST}{i}", LONGEST, NOW) for i in range(20)),
        delegations=tuple(
            DelegationView("c", LONGEST, f"{LONGEST}{i}", LONGEST, NOW) for i in range(20)
        ),
        usable=tuple(
            usable(
                i,
                name=f"{LONGEST}{i}",
                id=f"https://{'a' * 100}.example/{i}",
                may=in_words(
                    [f"agents:{'agent-with-a-long-id-' * 3}{i}:run" for i in range(30)]
                    + ["agent_os:admin"]
                ),
                ends_at=NOW + timedelta(days=3),
                in_part=True,
            )
            for i in range(3)
        ),
        activity=tuple(
            activity("An application was allowed to act for you", timedelta(days=i), LONGEST)
            for i in range(20)
        ),
    ),
    "account-identities": account(
        has_password=False,
        factors=(),
        recovery_codes_left=0,
        identities=(
            identity(
                "idn_1",
                "Entra",
                "Alice Example",
                NOW - timedelta(days=30),
                NOW - timedelta(hours=3),
            ),
        ),
        providers=PROVIDERS[1:],
        done="The account is linked. You can sign in with it.",
    ),
    "account-identities-longest": account(
        identities=tuple(
            identity(str(i), f"{'long-name-' * 12}{i}", LONGEST, NOW, None) for i in range(20)
        ),
        providers=tuple(ProviderButton(f"{i}", f"{'long-name-' * 12}{i}") for i in range(12)),
    ),
    "link": ConfirmPage(
        user="alice",
        form=FORM,
        action="/account/link",
        what="Link your account at Okta?",
        why="You sign in there now, and can then sign in here with it. Whoever runs Okta can sign"
        " in as you.",
        button="Continue with Okta",
        named=("issuer", "okta"),
        leads_elsewhere=True,
    ),
    "unlink": ConfirmPage(
        user="alice",
        form=FORM,
        action="/account/unlink",
        what="Unlink your account at Entra?",
        why="You cannot sign in with it afterwards. Browsers that signed in with it are signed"
        " out, perhaps this one too, and what applications may do from there ends.",
        button="Unlink",
        named=("identity", "idn_1"),
        is_dangerous=True,
    ),
    "profile": ProfilePage(user="alice", form=FORM, name="Alice Example", language="de"),
    "profile-wrong": ProfilePage(
        user="alice",
        form=FORM,
        name=LONGEST,
        language="",
        errors={"name": "A name has at most 255 characters that can be printed."},
    ),
    "profile-kept": ProfilePage(
        user="alice", form=FORM, name="Alice", language="", is_kept_elsewhere=True
    ),
    "email": EmailPage(user="alice", form=FORM, email="alice@example.com"),
    "email-wrong": EmailPage(
        user="alice",
        form=FORM,
        email="alice",
        errors={"email": "This is not an e-mail address."},
    ),
    "email-kept": EmailPage(user="alice", form=FORM, email="", is_kept_elsewhere=True),
    "password": PasswordPage(user="alice", form=FORM, username="alice"),
    "password-wrong": PasswordPage(
        user="alice",
        form=FORM,
        username="alice",
        errors={
            "password": "This is not your current password.",
            "new_password": "Use 12 to 256 characters.",
        },
    ),
    "confirm": ConfirmPage(
        user="alice",
        form=FORM,
        action="/account/remove-factor",
        what="Remove Work laptop?",
        why="You cannot sign in with it afterwards. Then your password alone is enough.",
        button="Remove",
        named=("factor", "passkey_1"),
        is_dangerous=True,
    ),
    "authenticator": AuthenticatorPage(
        user="alice",
        form=FORM,
        action="/sign-in/authenticator",
        setup="AAAA",
        secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        uri=URI,
        qr_path=QR[0],
        qr_size=QR[1],
        is_required=True,
    ),
    "recovery-codes": RecoveryCodesPage(
        codes=tuple(f"{i:04d}-abcd-{i:04d}" for i in range(10)), next_url="/account"
    ),
    "passkey": AddPasskeyPage(user="alice", form=FORM),
    "invitation": InvitationPage(
        form=FORM,
        action="/invitation/x",
        name="Bob Example",
        username="bob",
        expires_at=NOW + timedelta(days=3),
        offers_passkey=True,
    ),
    "password-reset": PasswordResetPage(form=FORM),
    "password-reset-sent": PasswordResetPage(form=FORM, is_sent=True),
    "new-password": NewPasswordPage(
        form=FORM,
        action="/password-reset/x",
        username="alice",
        expires_at=NOW + timedelta(minutes=30),
    ),
    "invitation-providers": InvitationPage(
        form=FORM,
        action="/invitation/x",
        name="Bob Example",
        username="bob",
        expires_at=NOW + timedelta(days=3),
        offers_passkey=True,
        providers=PROVIDERS,
        leads_elsewhere=True,
    ),
    "invitation-only": InvitationPage(
        form=FORM,
        action="/invitation/x",
        name="Bob Example",
        username="bob",
        expires_at=NOW + timedelta(days=3),
        elsewhere="Sign in with Entra. Only administrators sign in here without it.",
        providers=PROVIDERS[:1],
        leads_elsewhere=True,
    ),
    "provider-away": ProblemPage(
        heading="Okta cannot be reached",
        sentence="Nothing was changed here. Try again in a moment. If it stays away, tell whoever"
        " runs Okta.",
        way_back="/sign-in?local=1",
        way_back_says="Back to the sign-in",
        request_id="5f0c6f7d",
    ),
    "provider-unknown": ProblemPage(
        heading="You cannot use Okta here yet",
        sentence="You signed in at Okta, and no user here is linked to that account. Ask whoever"
        " runs this issuer for an invitation, or sign in another way and link it on your account"
        " page.",
        way_back="/sign-in?local=1",
        way_back_says="Back to the sign-in",
        request_id="5f0c6f7d",
    ),
    "sign-out": SignOutPage(user="alice", form=FORM, application="Claude"),
    "signed-out": SignedOutPage(),
    "signed-out-here": SignedOutPage(still_at="Okta"),
    "problem": ProblemPage(
        heading="This link has expired",
        sentence="Go back to the application and sign in again.",
        way_back="/account",
        way_back_says="To your account",
        request_id="5f0c6f7d",
    ),
    "problem-developer": ProblemPage(
        heading="This application cannot sign you in here",
        sentence="It sent an address to return to that is not registered for it.",
        parameter="redirect_uri",
        given="https://app.example.com/callback/",
        registered=("https://app.example.com/callback", "http://127.0.0.1/callback"),
        section="RFC 6749 §3.1.2.4",
        request_id="5f0c6f7d8a8b4c1e9d3f2a1b0c9d8e7f",
    ),
}
# On docs/reference/sign-in.md.
SHOWN = [
    "home",
    "sign-in",
    "password-reset",
    "new-password",
    "sign-in-providers",
    "provider-unknown",
    "second-factor",
    "consent",
    "consent-unregistered",
    "device",
    "consent-device",
    "account",
    "account-identities",
    "link",
    "authenticator",
    "invitation",
    "problem-developer",
]
