"""Rehearsing a rotation: would everyone believe the key in reserve, if it signed now?

It asks real verifiers over the network, which is the operator's to decide: no door but the
command line leads here.
"""

from issuer.rotation_drill.drill import Drill
from issuer.rotation_drill.report import Report
from issuer.rotation_drill.request import DrillRequest

__all__ = ["Drill", "DrillRequest", "Report"]
