"""Verifiers: each process of an AgentOS that said, when it polled, which signing keys it holds.

Anybody can send such a report, so it decides nothing alone: see docs/architecture.md.
"""

from issuer.verifiers.known_verifier import LIVE_FOR, KnownVerifier, NextKeys
from issuer.verifiers.known_verifiers import (
    REMEDY,
    DescribedVerifier,
    KnownVerifiers,
    LeftOutVerifiers,
    VerifiersLackKey,
)
from issuer.verifiers.report import REPORT_HEADER, VerifierReport
from issuer.verifiers.reported import ReportedVerifiers

__all__ = [
    "LIVE_FOR",
    "REMEDY",
    "REPORT_HEADER",
    "DescribedVerifier",
    "KnownVerifier",
    "KnownVerifiers",
    "LeftOutVerifiers",
    "NextKeys",
    "ReportedVerifiers",
    "VerifierReport",
    "VerifiersLackKey",
]
