"""The house as one file: a manifest in YAML that declares audiences, roles, clients and users.

`read` it, `plan` what it would change and who gains or loses what, `apply` the plan; `export`
writes the manifest of a house. It never holds secrets, passwords or keys.
"""

from issuer.manifest.applying import Applied, PlanOutdated, apply
from issuer.manifest.changes import Plan
from issuer.manifest.entries import schema
from issuer.manifest.exporting import data_of, export
from issuer.manifest.planning import plan
from issuer.manifest.problems import InvalidManifest, Problem, spelled
from issuer.manifest.reading import Manifest, read

__all__ = [
    "Applied",
    "InvalidManifest",
    "Manifest",
    "Plan",
    "PlanOutdated",
    "Problem",
    "apply",
    "data_of",
    "export",
    "plan",
    "read",
    "schema",
    "spelled",
]
