"""The scopes and routes of each AgentOS version: pure functions of data files.

`scopes` lists the scopes, `lint` finds likely mistakes in a set of them, `reject_misspelled`
refuses misspelled ones, `decide` predicts what AgentOS answers to a request. The data is in
`data/`, one file for each minor version.
`OwnApi` decides for the issuer itself, whose routes are in `own_routes.py`.
"""

from issuer.catalogue.catalogue import NEWEST, SUPPORTED, Catalogue, UnknownVersion
from issuer.catalogue.decision import Decision, decide
from issuer.catalogue.entries import ScopeEntry, example_of, scopes
from issuer.catalogue.lint import OTHERWISE, Code, ScopeFinding, lint, misspelled, reject_misspelled
from issuer.catalogue.own_api import OwnApi, counts_here
from issuer.catalogue.own_routes import methods_at, needs_of
from issuer.catalogue.unknown_routes import why_unknown

__all__ = [
    "NEWEST",
    "OTHERWISE",
    "SUPPORTED",
    "Catalogue",
    "Code",
    "Decision",
    "OwnApi",
    "ScopeEntry",
    "ScopeFinding",
    "UnknownVersion",
    "counts_here",
    "decide",
    "example_of",
    "lint",
    "methods_at",
    "misspelled",
    "needs_of",
    "reject_misspelled",
    "scopes",
    "why_unknown",
]
