"""The pages that people see. They work without JavaScript; only passkeys need it.

`views.py` says what each page shows, `templates/` how, `rendering.py` turns one into the other.
"""

from issuer.web.navigation import problem_page
from issuer.web.rendering import Pages
from issuer.web.routes import api_docs_routes, web_routes
from issuer.web.wrong_address import ReadablePaths, not_found_page

__all__ = [
    "Pages",
    "ReadablePaths",
    "api_docs_routes",
    "not_found_page",
    "problem_page",
    "web_routes",
]
