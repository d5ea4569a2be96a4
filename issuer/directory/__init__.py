"""What the token path reads: immutable records of clients and users, clients cached by id.

Every change increments the change counter, which empties the cache of each process.
"""

from issuer.directory.change_watcher import ChangeWatcher
from issuer.directory.directory import Directory
from issuer.directory.records import (
    ActingClient,
    AudienceRecord,
    ClientRecord,
    ExternalAudience,
    MayAct,
    Rights,
    RoleGrant,
    SecretRecord,
    Through,
    UserRecord,
)

__all__ = [
    "ActingClient",
    "AudienceRecord",
    "ChangeWatcher",
    "ClientRecord",
    "Directory",
    "ExternalAudience",
    "MayAct",
    "Rights",
    "RoleGrant",
    "SecretRecord",
    "Through",
    "UserRecord",
]
