"""Addresses of resources."""

from urllib.parse import quote

from issuer.admin.problems import PREFIX
from issuer.composition import Access


def location(caller: Access, *parts: str) -> str:
    """The absolute URL of a resource; each part may contain any character."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{caller.administration.settings.base_url}{PREFIX}/{path}"
