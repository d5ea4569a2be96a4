"""Clients: services and applications that request tokens (RFC 6749 §2).

Secrets are made here only, shown once, and kept as HMAC-SHA-256.
"""

from issuer.clients.client import (
    CLIENT,
    Client,
    ClientFields,
    ClientSecret,
    NewClient,
    NewSecret,
    SecretFields,
    SecretState,
)
from issuer.clients.clients import Clients
from issuer.clients.registrations import Registrations
from issuer.clients.rotation import Rotation, how_last_used

__all__ = [
    "CLIENT",
    "Client",
    "ClientFields",
    "ClientSecret",
    "Clients",
    "NewClient",
    "NewSecret",
    "Registrations",
    "Rotation",
    "SecretFields",
    "SecretState",
    "how_last_used",
]
