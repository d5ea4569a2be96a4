"""How a user signs in and what they allowed, and how each of these ends."""

from typing import Protocol

from issuer.authority import Authority
from issuer.fields.text import escape
from issuer.languages.catalogues import browser_name
from issuer.operations import About, Creation, Operation, OperationQuestion, PartOf
from issuer.resources import one_of
from issuer.sign_in.factors import Factor, Factors
from issuer.sign_in.identities import Identities, Identity, IdentityFields
from issuer.sign_in.invitations import InvitationFields, Invitations, NewInvitation
from issuer.sign_in.session_revoker import Consent, Consents, Sessions
from issuer.sign_in.sessions_store import ListedSession
from issuer.users import USER
from issuer.users.operations import SIGNS_OUT


class SignInWork(Protocol):
    invitations: Invitations
    authority: Authority
    factors: Factors
    identities: Identities
    sessions: Sessions
    consents: Consents
    requires_second_factor: bool


def _sessions(work: SignInWork, user_id: str) -> list[ListedSession]:
    issuers = {each.id: each.issuer for each in work.identities.of_user(user_id)}
    return [
        ListedSession(**dict(session), trusted_issuer=issuers.get(session.identity_id or ""))
        for session in work.sessions.of_user(user_id)
    ]


def _removing(work: SignInWork, about: About) -> OperationQuestion:
    user_id = about.owner_id
    factor = work.factors.get(user_id, about.item)
    why = f"{SIGNS_OUT} This cannot be undone."
    if len(work.factors.of_user(user_id)) == 1:
        why = f"It is the last second factor: the recovery codes end with it. {why}"
        why += f" {_afterwards(work, about)}"
    return OperationQuestion(f"Remove “{escape(factor.name)}” of {about.name}?", why, "Remove")


def _resetting(work: SignInWork, about: About) -> OperationQuestion:
    factors = work.factors.of_user(about.owner_id)
    names = ", ".join(f"“{escape(each.name)}”" for each in factors)
    return OperationQuestion(
        f"Remove all second factors of {about.name}?",
        f"{names or 'Nothing'} and the recovery codes are removed. {SIGNS_OUT}"
        f" This cannot be undone. {_afterwards(work, about)}",
        "Remove all",
    )


def _afterwards(work: SignInWork, about: About) -> str:
    """How the user signs in without a second factor."""
    if not work.factors.methods_of(about.owner_id)[about.owner_id].has_password:
        return f"There is no password: {about.name} can only sign in after another invitation."
    if work.requires_second_factor:
        return f"{about.name} sets up another one at the next sign-in."
    return f"{about.name} signs in with the password alone."


def _unlinking(work: SignInWork, about: About) -> OperationQuestion:
    user_id = about.owner_id
    identity = work.identities.get(user_id, about.item)
    why = (
        f"{about.name} cannot sign in with it any more. Sessions that began there end, and access"
        " tokens are refused within seconds."
    )
    means = work.factors.methods_of(user_id)[user_id]
    has_another_way = means.has_password or means.has_passkey
    if len(work.identities.of_user(user_id)) == 1 and not has_another_way:
        why += f" It is the only way to sign in: {about.name} needs an invitation then."
    what = f"Unlink the account {escape(identity.subject)} of {identity.issuer}?"
    return OperationQuestion(what, why, "Unlink")


def _link(work: SignInWork, user_id: str, fields: IdentityFields) -> Identity:
    grantor = work.authority.grantor
    return work.identities.link(user_id, fields.issuer, fields.subject, fields.name, grantor)


def _signing_out(work: SignInWork, about: About) -> OperationQuestion:
    session = work.sessions.get(about.owner_id, about.item)
    where = f" from {session.address}" if session.address else ""
    return OperationQuestion(
        f"Sign {about.name} out of {browser_name(session.user_agent)}?",
        f"The session{where} ends, and every token that applications got in it is refused within"
        " seconds. Other sessions go on."
        f"{' This is your own session.' if session.id == about.own_session else ''}",
        "Sign out",
    )


def _withdrawing(_: SignInWork, about: About) -> OperationQuestion:
    return OperationQuestion(
        f"Withdraw what {about.name} allowed {about.item}?",
        f"At every audience. The tokens that {about.item} has for {about.name} are refused within"
        f" seconds, and it must ask {about.name} again.",
        "Withdraw",
    )


def _uninviting(_: SignInWork, about: About) -> OperationQuestion:
    return OperationQuestion(
        f"Withdraw the invitation of {about.name}?",
        "The link stops working. You can invite again, with another link.",
        "Withdraw invitation",
    )


FACTORS = PartOf[SignInWork, Factor](
    owner=USER,
    name="factor",
    plural="factors",
    model=Factor,
    about="The second factors of a user: authenticator app and passkeys.",
    lists="List the second factors of a user, never a secret.",
    items=lambda work, user_id: work.factors.of_user(user_id),
    item=lambda work, user_id, factor_id: work.factors.get(user_id, factor_id),
    columns=("id", "kind", "name", "created_at", "last_used_at"),
    example="passkey_4v7hq2m8x1kd0c5tz9pa",
)
IDENTITIES = PartOf[SignInWork, Identity](
    owner=USER,
    name="identity",
    plural="identities",
    model=Identity,
    about="The accounts at trusted issuers with which a user signs in.",
    lists="List the accounts at trusted issuers with which a user signs in, oldest first."
    " `groups` are those that gave roles when the person last signed in.",
    items=lambda work, user_id: work.identities.of_user(user_id),
    item=lambda work, user_id, identity_id: work.identities.get(user_id, identity_id),
    columns=("id", "issuer", "subject", "name", "groups", "created_at", "last_used_at"),
    example="idn_4v7hq2m8x1kd0c5tz9pa",
)
SESSIONS = PartOf[SignInWork, ListedSession](
    owner=USER,
    name="session",
    plural="sessions",
    model=ListedSession,
    about="The browsers in which a user is signed in.",
    lists="List the browsers in which a user is signed in, newest first."
    " `trusted_issuer` is the one with an account at which the user signed in.",
    items=_sessions,
    item=lambda work, user_id, session_id: one_of(_sessions(work, user_id), session_id, "session"),
    columns=("id", "created_at", "used_at", "methods", "trusted_issuer", "address", "user_agent"),
    example="session_4v7hq2m8x1kd0c5tz9pa",
)
CONSENTS = PartOf[SignInWork, Consent](
    owner=USER,
    name="consent",
    plural="consents",
    model=Consent,
    about="What a user allowed clients to do.",
    lists="List what a user allowed clients to do, by client and audience.",
    items=lambda work, user_id: work.consents.of_user(user_id),
    key="client_id",
    order=lambda consent: f"{consent.client_id} {consent.audience or ''}",
    columns=("client_id", "audience", "granted_at", "openid_scopes", "scopes"),
    example="web-app",
)
LINK_IDENTITY = Creation[SignInWork](
    name="link_identity",
    on=IDENTITIES,
    verb="add",
    summary="Let a person sign in as a user with an account at a trusted issuer.",
    more="Whoever has that account can sign in as the user. It is known by the sub of its"
    " tokens alone. An account that is linked already, whoever's it is, is refused.",
    examples=("--issuer entra --subject 8f2c1d7e",),
    fields=IdentityFields,
    created=Identity,
    run=_link,
    done="{name} can sign in with this account.",
    is_refusable=True,
)
INVITATION = PartOf[SignInWork, NewInvitation](
    owner=USER,
    name="",
    plural="invitation",
    about="A link with which a user sets a password or a passkey.",
    key="",
)
INVITE = Creation[SignInWork](
    name="create_invitation",
    on=INVITATION,
    verb="invite",
    summary="Create a link with which a user sets a password or a passkey, once.",
    more="It is for that person alone: whoever accepts it first can sign in as the user. It"
    " replaces an earlier link, and works for 72 hours by default. Second factors that the user has"
    " stay. A link that the issuer sends by email is shown to nobody.",
    examples=("", "--lifetime 24h", "--by-email", "--cancel"),
    fields=InvitationFields,
    created=NewInvitation,
    once="url",
    run=lambda work, user_id, fields: work.invitations.create(user_id, fields),
    done="{name} is invited.",
    is_refusable=True,
)
OPERATIONS: tuple[Operation[SignInWork] | Creation[SignInWork], ...] = (
    Operation(
        name="delete_factor",
        on=FACTORS,
        verb="remove",
        past="removed",
        summary="Remove a second factor, revoke all tokens of the user and end its sessions.",
        question=_removing,
        run=lambda work, user_id, factor_id: work.factors.revoke(user_id, factor_id),
        done="The second factor of {name} is removed.",
    ),
    Operation(
        name="reset_factors",
        on=FACTORS,
        verb="reset",
        past="reset",
        summary="Remove all second factors and recovery codes, revoke all tokens and end all"
        " sessions.",
        more="For a user who lost them. The user signs in with the password alone, or sets up a new"
        " second factor if one is required.",
        question=_resetting,
        run=lambda work, user_id, _: work.factors.reset(user_id),
        done="{name} has no second factor any more.",
        on_all=True,
        asks_scripts=True,
    ),
    LINK_IDENTITY,
    Operation(
        name="unlink_identity",
        on=IDENTITIES,
        verb="remove",
        past="removed",
        summary="Unlink an account. Ends the sessions that began there, and revokes access tokens.",
        more="Where the trusted issuer provisions users, disable the user instead: a user of"
        " another name could be made for the person.",
        question=_unlinking,
        run=lambda work, user_id, identity_id: work.identities.unlink(user_id, identity_id),
        done="The account is unlinked from {name}.",
    ),
    INVITE,
    Operation(
        name="delete_invitation",
        on=INVITATION,
        verb="withdraw",
        past="cancelled",
        summary="Cancel the current link of a user.",
        question=_uninviting,
        run=lambda work, user_id, _: work.invitations.delete(user_id),
        done="The link of {name} does not work any more.",
        cancels="invite",
    ),
    Operation(
        name="end_session",
        on=SESSIONS,
        verb="end",
        past="ended",
        summary="Sign a user out of a browser, and revoke every token of that session.",
        more="To end all sessions of a user, revoke all of its tokens.",
        question=_signing_out,
        run=lambda work, user_id, session_id: work.sessions.end(user_id, session_id),
        done="The session of {name} is ended.",
        by_the_person=True,
    ),
    Operation(
        name="withdraw_consents",
        on=CONSENTS,
        verb="withdraw",
        past="withdrawn",
        summary="Withdraw what a user allowed a client at every audience, and revoke the client's"
        " tokens.",
        more="Only its tokens of this user. The client must ask the user again.",
        question=_withdrawing,
        run=lambda work, user_id, client_id: work.consents.withdraw(user_id, client_id),
        done="What {name} allowed {item} is withdrawn.",
        by_the_person=True,
    ),
)
