"""What the token path reads: immutable records, cached until the change counter moves."""

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
