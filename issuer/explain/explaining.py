"""`explain`: why a request is allowed or refused; `preview`: which claims a token would have.

No token is issued. The decision is the catalogue's, which agrees with that of agno, and at the
issuer's own audience with that of the admin API.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain, product
from typing import Any, NamedTuple, Self, TypeAlias

from pydantic import Field, model_validator

from issuer.catalogue import NEWEST
from issuer.catalogue.decision import Decision, decide
from issuer.catalogue.entries import example_of
from issuer.catalogue.suggestions import why_unknown
from issuer.database import Database
from issuer.directory import (
    ActingClient,
    AudienceRecord,
    ClientRecord,
    Directory,
    MayAct,
    Through,
    UserRecord,
)
from issuer.errors import InvalidField, NotFound
from issuer.explain.own_api import OwnApi
from issuer.fields.fields import Fields, Scopes
from issuer.fields.ids import AudienceId
from issuer.fields.times import in_json
from issuer.scopes import covers
from issuer.sign_in.consents_store import ActingFor, check_may_act
from issuer.tokens.authorization import Authorization, scopes_through
from issuer.tokens.issuing import TokenIssuer
from issuer.tokens.reading import TokenReader, load_current_scopes
from issuer.vocabulary import GrantType, UserRights

Holder: TypeAlias = ClientRecord | UserRecord


class SubjectToken(Fields):
    """The token that a client exchanges (RFC 8693): of a user, for an audience.

    Through the client `client_id`; without, through one that gives its users all their rights, and
    for which nobody need be asked.
    """

    user_id: str
    client_id: str | None = None
    audience: AudienceId


class Subject(Fields):
    """The subject of a question: a client, a user (alone or through a client), or a token.

    A client may be asked about as it acts on behalf of a user, whose token it exchanges.
    """

    client_id: str | None = None
    user_id: str | None = None
    token: str | None = Field(None, max_length=16_384)
    on_behalf_of: SubjectToken | None = None
    audience: AudienceId | None = None

    @model_validator(mode="after")
    def _names_a_subject(self) -> Self:
        if self.on_behalf_of is not None and (self.client_id is None or self.user_id or self.token):
            raise ValueError("name only a client_id with on_behalf_of")
        names_principal = any((self.client_id, self.user_id))
        if self.token is not None and names_principal:
            raise ValueError("name a token, or a client and a user, not both")
        if not (self.token or names_principal):
            raise ValueError("name a client_id, a user_id or a token")
        return self


class Question(Subject):
    """May the subject do `method path` at the audience?

    The audience is an AgentOS of this `version`, or the issuer itself, where `version` is ignored.
    """

    method: str = Field(pattern=r"^[A-Za-z]{1,16}$")
    path: str = Field(min_length=1, max_length=2048)
    version: str = NEWEST


class PreviewRequest(Subject):
    """Which token would be issued; `scope` as in the token request, by default all scopes held."""

    scope: Scopes | None = None


@dataclass(frozen=True, slots=True)
class ScopeSource:
    """Where a scope comes from: a role, assigned at an audience or everywhere; or held directly.

    `through` is the group or the trusted issuer that gives the role, if it is not the holder's own;
    `expires_at` when the scope ends there, None if it lasts.
    """

    scope: str
    holder: str
    role: str | None = None
    audience: str | None = None
    through: Through | None = None
    expires_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"expires_at": in_json(self.expires_at)}


@dataclass(frozen=True, slots=True)
class Lacking:
    """A client or a user that lacks `scopes` at an `audience`."""

    holder: Holder
    scopes: tuple[str, ...]
    audience: AudienceRecord


@dataclass(frozen=True, slots=True)
class LackingRule:
    """`client` may not act at an audience for people from another."""

    client: ClientRecord
    rule: MayAct


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision at an audience, where its scopes come from, and who lacks which.

    `lacking_grant`: the client that does not have the grant type of a token exchange. `actors` are
    those for whom a token says that they act for its subject, the last one first. `jkt` is the
    thumbprint of the key to which a token is bound. `commands`: what would allow the request, where
    a server has said it.
    """

    audience: str
    decision: Decision
    held: tuple[str, ...]
    via: tuple[ScopeSource, ...] = ()
    disabled: tuple[Holder, ...] = ()
    lacking: tuple[Lacking, ...] = ()
    lacking_rule: LackingRule | None = None
    lacking_grant: ClientRecord | None = None
    actors: tuple[str, ...] = ()
    jkt: str | None = None
    commands: tuple[tuple[str, ...], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The explanation as JSON values, with stable names."""
        decision = self.decision.as_json()
        by = decision.pop("by")
        return {
            **decision,
            "scope": by[0] if by else None,
            "via": [source.as_json() for source in self.via],
            "held": list(self.held),
        }


class Preview(NamedTuple):
    """The claims of the token, and its size in bytes."""

    claims: dict[str, object]
    size: int


class _Known(NamedTuple):
    """The records of a subject."""

    client: ClientRecord | None
    user: UserRecord | None

    def holders(self) -> list[Holder]:
        """Principals whose rights count: the user, and the client unless it leaves users all."""
        limits = self.client and not (self.user and self.client.user_rights is UserRights.ALL)
        return [each for each in (self.user, self.client if limits else None) if each]


@dataclass(frozen=True, slots=True)
class _Delegation:
    """A client acts at an audience with the token of a user for the audience `origin`.

    `through` is the client of that token, if it was named. `refusal`: why it may not.
    """

    client: ClientRecord
    user: UserRecord
    through: ClientRecord | None
    origin: AudienceRecord
    audience: AudienceRecord
    refusal: str

    @property
    def lacking_rule(self) -> LackingRule | None:
        rule = MayAct(self.origin.id, self.audience.id)
        is_own = self.origin.is_own or self.audience.is_own
        return None if is_own or rule in self.client.may_act else LackingRule(self.client, rule)

    @property
    def lacking_grant(self) -> ClientRecord | None:
        may_exchange = GrantType.TOKEN_EXCHANGE in self.client.grant_types
        return None if may_exchange else self.client

    @property
    def authorization(self) -> Authorization:
        """What the token of the user, the user and the client all hold."""
        if self.through is None:
            held = self.user.rights.at(self.origin)
        else:
            held = scopes_through(self.through, self.user, self.origin)
        whole = Authorization.of_user(self.user, self.client, self.audience)
        return replace(whole.within(held), act={"sub": self.client.client_id})

    @property
    def ends(self) -> tuple[tuple[_Known, AudienceRecord], ...]:
        """Principals whose rights count, with the audience at which they do."""
        actor, subject = _Known(self.client, self.user), _Known(self.through, self.user)
        return (actor, self.audience), (subject, self.origin)


@dataclass(frozen=True)
class Explainer:
    """Answers from the database as it is now. Queries: not for the event loop."""

    database: Database
    directory: Directory
    tokens: TokenIssuer
    reader: TokenReader
    own_api: OwnApi

    def explain(self, question: Question) -> Explanation:
        """`NotFound` for an unknown subject, `InvalidCredentials` for a token that is not valid."""
        if question.token is not None:
            return self._explain_token(question, question.token)
        if question.on_behalf_of is not None:
            return self._explain_delegation(question, self._delegation(question))
        known = self._known(question)
        audience = self._audience(known, question.audience)
        if known.user and known.client:
            held = scopes_through(known.client, known.user, audience)
        else:
            held = known.holders()[0].rights.at(audience)
        decision = _of_the_active(known, self._decide(audience.id, held, question))
        return Explanation(
            audience.id,
            decision,
            tuple(sorted(held)),
            tuple(_sources(known, audience, decision.by)),
            _disabled_among(*known),
            tuple(holders_lacking(*known, audience, decision.smallest_addition)),
        )

    def example_of(self, scope: str) -> tuple[str, str] | None:
        """A method and a path that the scope alone allows, at an AgentOS or at the issuer."""
        return self.own_api.examples.get(scope) or example_of(scope)

    def preview(self, request: PreviewRequest, now: datetime) -> Preview:
        """The token for the subject; refused where the token endpoint would refuse."""
        return Preview(*self.tokens.preview(self.authorization(request), now))

    def authorization(self, request: PreviewRequest) -> Authorization:
        """The authorization of such a token."""
        if request.on_behalf_of is not None:
            delegation = self._delegation(request)
            if delegation.refusal:
                raise InvalidField("on_behalf_of", delegation.refusal)
            return delegation.authorization.narrowed_to(request.scope)
        known = self._known(request)
        if known.client is None:
            raise InvalidField("client_id", "a token is always issued to a client")
        audience = self._audience(known, request.audience)
        authorization = (
            Authorization.of_user(known.user, known.client, audience)
            if known.user
            else Authorization.of_client(known.client, audience)
        )
        return authorization.narrowed_to(request.scope)

    def subject_of(self, token: str) -> tuple[str, bool]:
        """The token's subject, and whether it is a user."""
        verified = self.reader.read(token)
        return verified.subject, verified.subject != verified.client_id

    def _explain_token(self, question: Question, token: str) -> Explanation:
        verified = self.reader.read(token)
        if question.audience not in {None, verified.audience}:
            raise InvalidField("audience", f"the token is for {verified.audience}")
        # An AgentOS uses the scopes of the token. The admin API leaves out those removed since.
        is_own = verified.audience == self.own_api.audience
        held = load_current_scopes(self.directory, verified) if is_own else verified.scopes
        decision = self._decide(verified.audience, held, question)
        sources = tuple(ScopeSource(scope, verified.subject) for scope in decision.by)
        return Explanation(
            verified.audience,
            decision,
            tuple(sorted(held)),
            sources,
            actors=verified.actors,
            jkt=verified.jkt,
        )

    def _explain_delegation(self, question: Question, asked: _Delegation) -> Explanation:
        held, audience = asked.authorization.scopes, asked.audience
        decision = self._decide(audience.id, held, question)
        if asked.refusal and decision.needs_token:
            decision = _refusal(decision, asked.refusal)
        for known, _ in asked.ends:
            decision = _of_the_active(known, decision)
        by, more = decision.by, decision.smallest_addition
        sources = chain.from_iterable(_sources(known, at, by) for known, at in asked.ends)
        lacking = chain.from_iterable(holders_lacking(*known, at, more) for known, at in asked.ends)
        return Explanation(
            audience.id,
            decision,
            tuple(sorted(held)),
            tuple(dict.fromkeys(sources)),
            _disabled_among(asked.client, asked.user, asked.through),
            tuple(lacking),
            asked.lacking_rule,
            asked.lacking_grant,
        )

    def _delegation(self, subject: Subject) -> _Delegation:
        """The delegation that is asked about; `refusal` also where the user did not allow it."""
        assert subject.on_behalf_of is not None
        delegator = subject.on_behalf_of
        actor = self._known(Subject(client_id=subject.client_id))
        through, user = self._known(
            Subject(client_id=delegator.client_id, user_id=delegator.user_id)
        )
        client = actor.client
        assert client is not None
        assert user is not None
        audience = self._audience(actor, subject.audience)
        try:
            origin = self._audience(_Known(through, user), delegator.audience)
        except InvalidField as error:
            raise InvalidField("on_behalf_of.audience", error.problems[0][1]) from None
        asked = _Delegation(client, user, through, origin, audience, refusal="")
        return replace(asked, refusal=self._why_refused(asked))

    def _why_refused(self, asked: _Delegation) -> str:
        """A sentence; empty if the client may act for the user."""
        client, user, through = asked.client, asked.user, asked.through
        audience, origin = asked.audience, asked.origin
        if origin.is_own or audience.is_own:
            return "No client acts at the issuer itself for people, or for people from there."
        if asked.lacking_rule:
            return f"{client.client_id} may not act at {audience.id} for people from {origin.id}."
        if asked.lacking_grant:
            grant_type = GrantType.TOKEN_EXCHANGE.short
            return f"{client.client_id} does not have the grant type {grant_type}."
        if through is None:
            return ""
        actor = ActingClient(client.client_id, audience.id)
        with self.database.reading() as session:
            acting = ActingFor(user.id, through, origin.id, actor)
            (is_allowed,) = check_may_act(session.connection(), [acting])
        if is_allowed:
            return ""
        return (
            f"{user.username} has not allowed {client.client_id} to act at {audience.id}:"
            f" {through.client_id} must ask again."
        )

    def _decide(self, audience_id: str, held: frozenset[str], question: Question) -> Decision:
        if audience_id == self.own_api.audience:
            return self.own_api.decide(held, question.method, question.path)
        method, path, version = question.method, question.path, question.version
        decision = decide(held, method, path, version)
        if decision.is_unguarded and (reason := why_unknown(version, method, path)):
            return Decision.of_unknown_route(reason)
        return decision

    def _known(self, subject: Subject) -> _Known:
        client = user = None
        if subject.client_id is not None:
            client = self.directory.load_client(subject.client_id)
            if client is None:
                raise NotFound("client", subject.client_id)
        if subject.user_id is not None:
            user = self.directory.load_user(subject.user_id)
            if user is None:
                raise NotFound("user", subject.user_id)
        return _Known(client, user)

    def _audience(self, known: _Known, audience_id: str | None) -> AudienceRecord:
        if known.client is None and audience_id is not None:
            return self.directory.load_audience(audience_id)
        asked = [] if audience_id is None else [audience_id]
        audience = known.client.audience_for(asked) if known.client else None
        if isinstance(audience, AudienceRecord):
            return audience
        why = "the client may not have tokens for it" if asked else "name the audience"
        raise InvalidField("audience", why)


def _disabled_among(*principals: Holder | None) -> tuple[Holder, ...]:
    return tuple(each for each in principals if each and each.disabled)


def holders_lacking(
    client: ClientRecord | None,
    user: UserRecord | None,
    audience: AudienceRecord,
    addition: Iterable[str],
) -> Iterator[Lacking]:
    """Through a client, a user needs the scopes, and so does a client that limits its users."""
    for holder in _Known(client, user).holders():
        held = holder.rights.at(audience)
        if scopes := tuple(scope for scope in addition if not covers(held, scope)):
            yield Lacking(holder, scopes, audience)


def _of_the_active(known: _Known, decision: Decision) -> Decision:
    """Refused for a disabled client or user, which gets no token."""
    if not decision.needs_token:
        return decision
    for kind, each in (("client", known.client), ("user", known.user)):
        if each is not None and each.disabled:
            return _refusal(decision, f"The {kind} is disabled and gets no token.")
    return decision


def _refusal(decision: Decision, reason: str) -> Decision:
    return replace(decision, allowed=False, by=(), listing=None, reason=reason)


def _sources(known: _Known, audience: AudienceRecord, by: Iterable[str]) -> Iterator[ScopeSource]:
    for scope, holder in product(by, known.holders()):
        name = holder.client_id if isinstance(holder, ClientRecord) else holder.id
        direct = [each for each in holder.rights.direct if covers([each], scope)]
        ends = [holder.rights.direct_ends.get(each) for each in direct]
        if direct:
            last = None if None in ends else max(filter(None, ends))
            yield ScopeSource(scope, name, expires_at=last)
        for grant in holder.rights.roles_at(audience.id, is_own=audience.is_own):
            if covers(grant.scopes, scope):
                where = (grant.audience_id, grant.through, grant.expires_at)
                yield ScopeSource(scope, name, grant.role, *where)
