"""The pages that people see. They work without JavaScript; only passkeys need it.

`views.py` says what each page shows, `templates/` how, `rendering.py` turns one into the other.
"""

from issuer.web.navigation import problem_page
from issuer.web.rendering import Pages
from issuer.web.routes import web_routes

__all__ = ["Pages", "problem_page", "web_routes"]
