"""Proofs of possession, which bind tokens to a key of the client (DPoP, RFC 9449)."""

from issuer.dpop.proof import ALGORITHMS, DPoPError, Proof, SentProof
from issuer.dpop.proofs import ProofChecks, challenge

__all__ = ["ALGORITHMS", "DPoPError", "Proof", "ProofChecks", "SentProof", "challenge"]
