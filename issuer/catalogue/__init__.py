"""The scopes and routes of each AgentOS version: pure functions of data files.

`scopes` lists the scopes, `lint` finds likely mistakes in a set of them, `reject_misspelled`
refuses misspelled ones, `decide` predicts what AgentOS answers to a request. The data is in
`data/`, one file for each minor version.
"""

from issuer.catalogue.catalogue import NEWEST, SUPPORTED, UnknownVersion
from issuer.catalogue.entries import scopes
from issuer.catalogue.lint import lint

__all__ = ["NEWEST", "SUPPORTED", "UnknownVersion", "lint", "scopes"]
