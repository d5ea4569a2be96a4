"""Checking the proofs that requests to this issuer bring, each of which counts once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from issuer.audit import Event
from issuer.audit.chain_store import OwnChain
from issuer.background.batches import BatchWorker
from issuer.clients.used_assertions_store import AssertionUse, UsedAssertions
from issuer.clock import Clock
from issuer.dpop.nonces import Nonces
from issuer.dpop.proof import ALGORITHMS, DPoPError, Proof, SentProof, check_proof
from issuer.errors import InvalidCredentials
from issuer.telemetry.metrics import WRITE
from issuer.vocabulary import DPOP, ErrorCode

# That have not expired: they do for two minutes, and 2,000 tokens a second are more than one client
# needs.
MAX_PROOFS_OF_A_KEY = 500_000
SCHEME = DPOP.lower()
_NOT_READ = -1  # without an event, the state of the revocation feed is not read
INVALID_TOKEN = "invalid_token"  # noqa: S105 - an error of RFC 6750 §3.1


class _ProofUse(NamedTuple):
    use: AssertionUse
    event: Event | None


@dataclass(eq=False, repr=False)
class ProofChecks:
    """At the token endpoint, and at what this issuer protects by access tokens.

    `_nonces` is None where proofs need none.
    """

    _url: str
    _used: UsedAssertions
    _chain: OwnChain
    _nonces: Nonces | None
    _clock: Clock

    def __post_init__(self) -> None:
        parts = urlsplit(self._url)
        # What a proxy makes of host and scheme does not matter: clients know only this URL.
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self.writer = BatchWorker("proof-writer", self._use_all)

    def check(self, sent: SentProof, access_token: str | None = None) -> Proof:
        """The proof, not yet used; `DPoPError` says which check failed (RFC 9449 §4.3)."""
        proof = check_proof(sent, self._origin, self._clock(), access_token)
        if self._nonces is not None and not self._nonces.accepts(proof.nonce):
            raise DPoPError(
                "nonce of the proof is missing or too old: use that of the header DPoP-Nonce.",
                ErrorCode.USE_DPOP_NONCE.value,
                self._nonces.new(),
            )
        return proof

    async def use(self, proof: Proof, event: Event | None = None) -> int:
        """Use a proof, in whichever process; `DPoPError` if it was used before (RFC 9449 §11.1).

        Durable when it returns, with the `event` of the token that it is for, in one transaction;
        the number is that of `AuditWriter.record`. `TooManyRequests` if its key has made too many.
        """
        use = self._used.place(proof.jkt, f"dpop\n{proof.jti}", proof.expires_at)
        feed_count = await self.writer.run(_ProofUse(use, event))
        try:
            self._used.require_used(use, is_used=feed_count is not None)
        except InvalidCredentials:
            raise DPoPError("jti of the proof was used before.") from None
        assert feed_count is not None
        proof.is_used = True
        return feed_count

    def _use_all(self, uses: Sequence[_ProofUse]) -> list[int | None]:
        """None for each proof that was used before."""
        feed_count = _NOT_READ
        with self._chain.writing(WRITE) as connection:
            are_new = self._used.insert(connection, [each.use for each in uses])
            new = [each for each, is_new in zip(uses, are_new, strict=True) if is_new]
            if events := [each.event for each in new if each.event is not None]:
                feed_count = self._chain.extend(connection, events)
        return [feed_count if is_new else None for is_new in are_new]

    def check_token(
        self, scheme: str, token: str, jkt: str | None, sent: SentProof
    ) -> Proof | None:
        """The proof, not yet used, with which a request presents an access token (RFC 9449 §7).

        None for a bearer token. A token that is bound to the key `jkt` counts only under the
        `scheme` (in lower case) of DPoP, and no other token does. `DPoPError`.
        """
        is_bound, is_sent_as_bound = jkt is not None, scheme == SCHEME
        if is_bound != is_sent_as_bound:
            right = f"{DPOP}, with a proof" if is_bound else "Bearer"
            state = "bound" if is_bound else "not bound"
            problem = f"The access token is {state} to a key: send it under the scheme {right}."
            raise DPoPError(problem, INVALID_TOKEN)
        if not is_bound:
            return None
        proof = self.check(sent, token)
        if proof.jkt != jkt:
            raise DPoPError("The access token is bound to another key.", INVALID_TOKEN)
        return proof

    @property
    def next_nonce(self) -> str | None:
        """A nonce for the next proof, where one is needed."""
        return self._nonces.new() if self._nonces else None


def challenge(error: DPoPError | None = None) -> str:
    """The value of `WWW-Authenticate` for a request without a valid proof (RFC 9449 §7.1)."""
    members = {"realm": "issuer"}
    if error is not None:
        members |= {"error": error.error, "error_description": str(error)}
    members["algs"] = " ".join(ALGORITHMS)
    return f"{DPOP} " + ", ".join(f'{name}="{text}"' for name, text in members.items())
