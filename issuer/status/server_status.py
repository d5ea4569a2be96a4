"""The status of a server, as `issuer status` and the admin API show it. Nothing secret."""

from datetime import datetime

from pydantic import BaseModel

from issuer.keys.schedule import KeyState
from issuer.vocabulary import SigningAlgorithm


class DatabaseStatus(BaseModel):
    """Connections are those of this process; `error` is why it cannot be used now."""

    kind: str
    url: str
    revision: str | None
    connections_in_use: int
    connections_idle: int
    connections_max: int
    error: str | None


class KeyStatus(BaseModel):
    """A key that signs or will sign."""

    alg: SigningAlgorithm
    kid: str
    state: KeyState
    summary: str


class AuditStatus(BaseModel):
    """`uncovered` events are newer than the last checkpoint."""

    chains: int
    checkpoint: int | None
    checkpoint_at: datetime | None
    uncovered: int
    is_intact: bool


class PushStatus(BaseModel):
    """Where audit events are sent: at most `behind` of them wait.

    `failed` attempts failed since the last success, the last one for the reason `failure`.
    """

    destination: str
    behind: int
    failed: int
    failure: str | None


class QueueStatus(BaseModel):
    """Tasks that run or wait; beyond `max`, requests are refused."""

    name: str
    tasks: int
    max: int


class KeySetStatus(BaseModel):
    """A key set of others; `fetched_at` is null if none is held."""

    of: str
    source: str
    fetched_at: datetime | None
    problem: str | None


class ProviderStatus(BaseModel):
    """A trusted issuer where people sign in whose last request failed, in seconds before now."""

    issuer: str
    problem: str
    failed_before: int


class VerifiersStatus(BaseModel):
    """Verifiers that reported just now: nobody checks what they say.

    `lacked_key_signs_at` is when a key is planned to sign that one of them lacks, although it was
    announced long enough; null if there is none. About so many as `left_out` were left out just
    now, since too many reported.
    """

    live: int
    lacking_next_key: int
    lacked_key_signs_at: datetime | None
    left_out: int


class JobStatus(BaseModel):
    """A periodic job: its last failure, in seconds before now, and whether it is the last run."""

    name: str
    error: str | None
    failed_before: int | None
    is_failing: bool


class EndingStatus(BaseModel):
    """What ends within a week, and when first: assigned roles, scopes of clients, client secrets.

    Only numbers: whoever may read the status need not know who has what. `is_complete` is false if
    there may be more of a kind than were counted.
    """

    roles: int
    scopes: int
    secrets: int
    first_at: datetime | None
    is_complete: bool


class AgentOSStatus(BaseModel):
    """How many AgentOS answer requests that they should refuse, as their last inspections found.

    Of so many as are `silent`, no verifier has reported just now, though some did in the last day.
    """

    exposed: int
    silent: int


class DeliveriesStatus(BaseModel):
    """How many messages to other servers wait, and at how many of these the last attempt failed."""

    waiting: int
    failing: int


class Attention(BaseModel):
    """Something that is wrong, and what to do."""

    subject: str
    problem: str
    remedy: str


class ServerStatus(BaseModel):
    """Status of one process. `cause` is why it can issue no tokens; durations are in seconds."""

    issuer: str
    version: str
    started_at: datetime
    uptime: int
    can_issue: bool
    cause: str | None
    database: DatabaseStatus
    keys: list[KeyStatus]
    audit: AuditStatus
    audit_push: PushStatus | None
    queues: list[QueueStatus]
    key_sets: list[KeySetStatus]
    providers: list[ProviderStatus]
    verifiers: VerifiersStatus
    jobs: list[JobStatus]
    ending: EndingStatus
    agent_os: AgentOSStatus
    deliveries: DeliveriesStatus
    attention: list[Attention]
