"""The configuration as one file: a YAML manifest declares audiences, roles, clients and users.

`read` parses it, `plan` computes the changes and the rights gained or lost, `apply` makes the
changes, `export` writes the current configuration. It never contains secrets or keys.
"""

from issuer.manifest.applying import apply
from issuer.manifest.changes import ManifestPlan
from issuer.manifest.entries import schema
from issuer.manifest.exporting import export
from issuer.manifest.planning import plan
from issuer.manifest.problems import InvalidManifest
from issuer.manifest.reading import read

__all__ = ["InvalidManifest", "ManifestPlan", "apply", "export", "plan", "read", "schema"]
