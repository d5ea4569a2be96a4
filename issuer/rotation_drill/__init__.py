"""Rehearses a rotation: would every verifier accept the next key if it signed now?

It sends requests to addresses that the operator names, so it runs from the command line only.
"""

from issuer.rotation_drill.drill import Drill, DrillRequest, Report

__all__ = ["Drill", "DrillRequest", "Report"]
