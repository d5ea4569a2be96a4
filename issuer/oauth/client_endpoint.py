"""An endpoint beside the token endpoint, for clients of ours: from a request to an answer."""

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request

from issuer.audit import Event, Outcome
from issuer.errors import Unavailable
from issuer.http import caller
from issuer.oauth.authorization_server import Answer, IssuerAuthorizationServer
from issuer.oauth.checking import Checking
from issuer.oauth.errors import unavailable
from issuer.oauth.overload import Rounds
from issuer.oauth.recording import (
    actor_of,
    note_use_of_secret,
    put_on_record,
    refused_event,
    tell_refusal,
)
from issuer.oauth.request import ProtocolRequest, parse_form, receive_form
from issuer.services import Services
from issuer.workers import WorkerPool


class ClientEndpoint:
    """Reads, authenticates and refuses as the token endpoint does; a refusal is on record.

    What the endpoint `name` does is recorded with it, in its own transaction.
    """

    def __init__(
        self,
        services: Services,
        rounds: Rounds,
        server: IssuerAuthorizationServer,
        checking: Checking,
        queries: WorkerPool,
        name: str,
    ) -> None:
        self._services = services
        self._rounds = rounds
        self._server = server
        self._checking = checking
        self._queries = queries
        self._name = name

    async def __call__(self, request: Request) -> Answer:
        arrived_at = self._services.clock.monotonic()
        answer = await self._recorded_answer(request)
        if answer.refusal is not None:
            await tell_refusal(f"{self._name}_refused", answer.refusal, arrived_at, self._services)
        return answer

    async def _recorded_answer(self, request: Request) -> Answer:
        parsed: ProtocolRequest | None = None
        try:
            self._rounds.require_time()
            self._services.changes.require_current()
            try:
                parsed = parse_form(await receive_form(request))
                answer = await self._answer(parsed)
            except OAuth2Error as error:
                answer = Answer.refusing(error)
            event = self._event(request, parsed, answer)
            if event is not None:
                await put_on_record(event, parsed, answer.refusal, self._services)
            note_use_of_secret(parsed, self._services)
        except Unavailable as error:
            return Answer.refusing(unavailable(error))
        return answer

    async def _answer(self, request: ProtocolRequest) -> Answer:
        refused = await self._checking.from_memory_or_query(self._server.refuse_stranger, request)
        if refused is not None:
            return refused
        return await self._queries.run(self._server.create_endpoint_answer, self._name, request)

    def _event(
        self, request: Request, parsed: ProtocolRequest | None, answer: Answer
    ) -> Event | None:
        """A refusal, or what was asked for and not done; None for what needs no more record."""
        action, clock = f"{self._name}.refused", self._services.clock
        actor = actor_of(parsed) if parsed else caller(request)
        if answer.refusal is not None:
            return refused_event(action, clock, actor, parsed, answer.refusal)
        if parsed is not None and parsed.nothing_done is not None:
            return Event(clock(), actor, action, None, Outcome.REFUSED, parsed.nothing_done)
        return None
