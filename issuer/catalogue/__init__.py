"""The scopes and routes of each AgentOS version: pure functions of data files.

`scopes` lists the scopes, `lint` finds likely mistakes in a set of them, `reject_misspelled`
refuses misspelled ones, `decide` predicts what AgentOS answers to a request. The data is in
`data/`, one file for each minor version.
"""

from issuer.catalogue.catalogue import NEWEST, SUPPORTED, Catalogue, UnknownVersion
from issuer.catalogue.decision import Decision, decide
from issuer.catalogue.entries import ScopeEntry, example_of, scopes
from issuer.catalogue.lint import OTHERWISE, Code, ScopeFinding, lint, misspelled, reject_misspelled
from issuer.catalogue.suggestions import why_unknown

__all__ = [
    "NEWEST",
    "OTHERWISE",
    "SUPPORTED",
    "Catalogue",
    "Code",
    "Decision",
    "ScopeEntry",
    "ScopeFinding",
    "UnknownVersion",
    "decide",
    "example_of",
    "lint",
    "misspelled",
    "reject_misspelled",
    "scopes",
    "why_unknown",
]
