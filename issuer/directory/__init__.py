"""What the token path reads: immutable records of clients and users, remembered by id.

A change anywhere moves the change counter; then everything remembered is forgotten.
"""

from issuer.directory.directory import ChangeWatcher, Directory
from issuer.directory.records import (
    AudienceRecord,
    ClientRecord,
    Rights,
    RoleGrant,
    SecretRecord,
    UserRecord,
)

__all__ = [
    "AudienceRecord",
    "ChangeWatcher",
    "ClientRecord",
    "Directory",
    "Rights",
    "RoleGrant",
    "SecretRecord",
    "UserRecord",
]
