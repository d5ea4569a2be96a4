"""Asks an AgentOS what it consists of, and which of its routes answer without the right token.

Its requests only read. Importing the package does not import httpx: `inspector` does.
"""

from issuer.inspection.components import (
    Component,
    Components,
    Exposure,
    FoundComponents,
    InspectionReport,
    Severity,
    not_found,
)

__all__ = [
    "Component",
    "Components",
    "Exposure",
    "FoundComponents",
    "InspectionReport",
    "Severity",
    "not_found",
]
