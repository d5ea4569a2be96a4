"""Tokens that are bound to a key: only with a proof, which counts once in this process (RFC 9449).

A middleware reads the proof of each request, before AgentOS sees it. Where the token is then
verified, on whichever interface, it must be the one that the proof is for.
"""

import json
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import jwt

from issuer.agentos import caller
from issuer.agentos import key_fetching as asgi
from issuer.agentos.dpop import MAX_AGE, RequestProof, raw_path, read_proof
from issuer.agentos.errors import InvalidConfiguration, InvalidProof
from issuer.agentos.protected_resource import ProtectedResources, path_in_app

MAX_PROOFS, MAX_PROOFS_OF_A_KEY = 200_000, 100_000
MAX_BODY = 4 * 1024 * 1024
"""Of a request whose proof has a `content_digest`: it is held until all of it is there."""
INVALID_TOKEN = "invalid_token"  # noqa: S105 - an error of RFC 6750 §3.1
WRONG_ATH = "ath of the proof is not the hash of the access token."
_SCHEME = b"dpop "
_ACCEPT, _REQUIRE = "accept", "require"

log = logging.getLogger(__name__)


class UsedProofs:
    """The proofs that have opened something, by hash, until they are too old.

    Only a proof for a valid token that is bound to its key comes here, so that nobody else can fill
    it. When it is full, further proofs are refused: forgetting one would let it be used again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._of_key: Counter[str] = Counter()

    def use(self, proof: RequestProof) -> None:
        """`InvalidProof` if the proof was used before, or if there are too many."""
        digest = sha256(f"{proof.jkt}\n{proof.jti}".encode("utf-8", "surrogatepass")).digest()[:16]
        with self._lock:
            now = self._clock()
            self._forget_old(now)
            if digest in self._ends:
                raise InvalidProof("jti of the proof was used before.")
            if len(self._ends) >= MAX_PROOFS or self._of_key[proof.jkt] >= MAX_PROOFS_OF_A_KEY:
                log.warning("Too many proofs in ten minutes: those of %s are refused.", proof.jkt)
                raise InvalidProof("There are too many proofs: try again in a minute.")
            # From the end of the longest time, so that they end in the order in which they came:
            # its iat is in the future by MAX_AGE at most, and it is too old MAX_AGE after that.
            self._ends[digest] = now + 2 * MAX_AGE, proof.jkt
            self._of_key[proof.jkt] += 1

    def _forget_old(self, now: float) -> None:
        while self._ends:
            ends, jkt = next(iter(self._ends.values()))
            if ends > now:
                return
            self._ends.popitem(last=False)
            self._of_key[jkt] -= 1
            if not self._of_key[jkt]:
                del self._of_key[jkt]


@dataclass(eq=False)
class PossessionRule:
    """Which tokens need a proof: bound ones always, and with `is_required` there are no others."""

    is_required: bool = False
    used: UsedProofs = field(default_factory=UsedProofs)

    def require(self, token: str, claims: Mapping[str, Any]) -> None:
        """`InvalidProof` unless the present request may use this token, which is valid.

        Its proof is used up then; a token that is verified twice for a request needs no other.
        """
        request = caller.present_request()
        try:
            self._require(request, token, claims)
        except InvalidProof as error:
            if request is not None:
                request.refusal = error
            raise

    def _require(
        self, request: caller.Request | None, token: str, claims: Mapping[str, Any]
    ) -> None:
        proof = request.proof if request else None
        confirmation = claims.get("cnf")
        if not isinstance(confirmation, dict) or "jkt" not in confirmation:
            if self.is_required or (proof is not None and proof.is_for(token)):
                raise InvalidProof(
                    "The access token is not bound to a key: "
                    + ("only bound ones are accepted." if self.is_required
                       else "send it under the scheme Bearer."),
                    INVALID_TOKEN,
                )  # fmt: skip
            return
        if request is None or proof is None:
            raise (request and request.refusal) or InvalidProof(
                "The access token is bound to a key: send it under the scheme DPoP, with a proof."
                " The AgentOS must be attached to a Verifier with url=….",
                INVALID_TOKEN,
            )
        if proof.jkt != confirmation["jkt"]:
            raise InvalidProof("The access token is bound to another key.", INVALID_TOKEN)
        if not proof.is_for(token):
            raise InvalidProof(WRONG_ATH)
        if not request.is_proof_used:
            self.used.use(proof)
            request.is_proof_used = True


def possession_rule(mode: str, url: str | None) -> PossessionRule:
    """The rule that `dpop` of a `Verifier` names; `InvalidConfiguration` for one that cannot be."""
    if mode not in {_ACCEPT, _REQUIRE}:
        raise InvalidConfiguration(f'dpop must be "{_ACCEPT}" or "{_REQUIRE}", not {mode!r}.')
    if mode == _REQUIRE and url is None:
        raise InvalidConfiguration('dpop="require" needs url, the URL of this AgentOS.')
    return PossessionRule(is_required=mode == _REQUIRE)


@dataclass(eq=False)
class ProofReading:
    """Reads the proof of each request below `resources`. Pure ASGI, within a `caller.in_request`.

    AgentOS gets a token of the scheme DPoP as a bearer token, the only one it knows. A request with
    a wrong proof is answered here; on a WebSocket AgentOS refuses the token, which comes later.
    `claims` raises PyJWT's errors for a token that may not be used.
    """

    app: asgi.App
    resources: ProtectedResources
    claims: Callable[[str], object]
    wall_clock: Callable[[], float] = time.time

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        request = caller.present_request() if _has_proof(scope) else None
        if request is None or not self.resources.contains(path_in_app(scope)):
            await self.app(scope, receive, send)
            return
        try:
            if scope["type"] == "websocket":
                request.proof = self._read(scope, "GET")
            else:
                request.is_of_dpop = True
                scope, receive = await self._read_request(request, scope, receive)
        except InvalidProof as error:
            request.refusal = error
            if scope["type"] == "http":
                more = [(b"cache-control", b"no-store")]
                await asgi.send_json(send, 401, json.dumps({"detail": str(error)}).encode(), more)
                return
        await self.app(scope, receive, send)

    async def _read_request(
        self, request: caller.Request, scope: asgi.Scope, receive: asgi.Receive
    ) -> tuple[asgi.Scope, asgi.Receive]:
        """What AgentOS gets; `InvalidProof` unless the proof is for this request and its token."""
        token = _token(scope)
        proof = self._read(scope, scope["method"])
        if not proof.is_for(token):
            raise InvalidProof(WRONG_ATH)
        request.proof = proof
        if proof.content_digest is not None:
            try:
                self.claims(token)  # before its body is held: nobody else may have it held
            except InvalidProof:
                raise
            except jwt.InvalidTokenError:
                raise InvalidProof("The access token is not valid.", INVALID_TOKEN) from None
            receive = await _receive_at_once(receive, proof)
        return {**scope, "headers": _as_bearer(scope["headers"], token)}, receive

    def _read(self, scope: asgi.Scope, method: str) -> RequestProof:
        proofs = [value for name, value in scope["headers"] if name == b"dpop"]
        if len(proofs) != 1:
            raise InvalidProof("Send one DPoP header.")
        url = self.resources.base + raw_path(scope)
        return read_proof(proofs[0], method, url, self.wall_clock())


def _has_proof(scope: asgi.Scope) -> bool:
    """Whether it is a request with a token under DPoP, or a WebSocket with a proof."""
    if scope["type"] == "http":
        return any(
            name == b"authorization" and value[: len(_SCHEME)].lower() == _SCHEME
            for name, value in scope["headers"]
        )
    return scope["type"] == "websocket" and any(name == b"dpop" for name, _ in scope["headers"])


def _token(scope: asgi.Scope) -> str:
    sent: list[bytes] = [it for name, it in scope["headers"] if name == b"authorization"]
    if len(sent) != 1:
        raise InvalidProof("Send one Authorization header.", "invalid_request")
    return sent[0][len(_SCHEME) :].decode("latin-1").strip()


def _as_bearer(headers: asgi.Headers, token: str) -> asgi.Headers:
    others = [each for each in headers if each[0] != b"authorization"]
    return [*others, (b"authorization", b"Bearer " + token.encode("latin-1"))]


async def _receive_at_once(receive: asgi.Receive, proof: RequestProof) -> asgi.Receive:
    """What gives the body that the proof is for, in one message; `InvalidProof` for another."""
    body = bytearray()
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidProof("The request has ended before its body.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise InvalidProof(f"content_digest is checked of at most {MAX_BODY} bytes.")
        is_complete = not message.get("more_body")
    proof.require_content(bytes(body))
    whole: list[asgi.Message] = [{"type": "http.request", "body": bytes(body)}]

    async def receive_whole() -> asgi.Message:
        return whole.pop() if whole else await receive()

    return receive_whole
