"""Sending audit events to another system as they come, each at least once.

`Pusher` sends them in batches and notes in the database how far the destination has acknowledged
them. A destination is an HTTP endpoint or a syslog server.
"""

from issuer.audit.push.destination import RENDERERS, Destination, Message, NotDelivered, PushFailure
from issuer.audit.push.destinations import build_destination
from issuer.audit.push.progress_store import Progress
from issuer.audit.push.pusher import Pusher, PushState

__all__ = [
    "RENDERERS",
    "Destination",
    "Message",
    "NotDelivered",
    "Progress",
    "PushFailure",
    "PushState",
    "Pusher",
    "build_destination",
]
