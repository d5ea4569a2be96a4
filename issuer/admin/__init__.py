"""The admin API, `/admin/v1`: JSON in and out, errors as problem details (RFC 9457)."""

from issuer.admin.api import admin_layers, admin_routes, admin_templates, own_routes
from issuer.admin.manifest import manifest_schemas
from issuer.admin.problems import problem_schemas
from issuer.admin.refusals import install_problem_handlers, unforeseen

__all__ = [
    "admin_layers",
    "admin_routes",
    "admin_templates",
    "install_problem_handlers",
    "manifest_schemas",
    "own_routes",
    "problem_schemas",
    "unforeseen",
]
