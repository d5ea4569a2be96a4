"""The screens of the console, and the scopes that each needs to be seen."""

from issuer.composition import Access
from issuer.manifest.entries import TYPES
from issuer.web.console.screens.views import MenuEntry

PATH = "/console"
_ENTRIES = (
    ("Overview", "", ()),
    ("Audiences", "/audiences", ("issuer:audiences:read",)),
    ("Clients", "/clients", ("issuer:clients:read",)),
    ("Users", "/users", ("issuer:users:read",)),
    ("Roles", "/roles", ("issuer:roles:read",)),
    ("Trusted issuers", "/trusted-issuers", ("issuer:trusted-issuers:read",)),
    ("Explain", "/explain", ()),
    ("Keys", "/keys", ("issuer:keys:read",)),
    ("Audit log", "/audit", ("issuer:audit:read",)),
    ("Configuration", "/configuration", tuple(each.read for each in TYPES.values())),
)


def menu(access: Access, current: str) -> tuple[MenuEntry, ...]:
    """The entries that this person may open; `current` is the path of the page."""
    return tuple(
        MenuEntry(label, PATH + path, is_current=_is_within(current, PATH + path))
        for label, path, scopes in _ENTRIES
        if all(map(access.holds, scopes))
    )


def _is_within(current: str, path: str) -> bool:
    return current == path or (path != PATH and current.startswith(f"{path}/"))
