"""Addresses of resources."""

from urllib.parse import quote

from issuer.admin.access import Access
from issuer.admin.problems import PREFIX


def location(caller: Access, *parts: str) -> str:
    """The absolute URL of a resource; each part may contain any character."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{caller.administration.settings.base_url}{PREFIX}/{path}"
