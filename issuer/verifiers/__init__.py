"""Verifiers: each process of an AgentOS that said, when it polled, which signing keys it holds.

Anybody can send such a report, so it decides nothing alone: see
docs/decisions/0054-reports-of-verifiers.md.
"""
