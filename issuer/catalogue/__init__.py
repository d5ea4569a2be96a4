"""What the scopes and routes of AgentOS are, version by version: pure, and from data alone.

`scopes` lists them for a person, `lint` says what looks odd in a set of them, `decide` says
what AgentOS would answer to a request. The data is in `data/`, one file for each minor version.
"""

from issuer.catalogue.catalogue import NEWEST, SUPPORTED, Catalogue, UnknownVersion
from issuer.catalogue.decision import Decision, decide
from issuer.catalogue.entries import ScopeEntry, scopes
from issuer.catalogue.findings import Code, Finding
from issuer.catalogue.lint import lint

__all__ = [
    "NEWEST",
    "SUPPORTED",
    "Catalogue",
    "Code",
    "Decision",
    "Finding",
    "ScopeEntry",
    "UnknownVersion",
    "decide",
    "lint",
    "scopes",
]
