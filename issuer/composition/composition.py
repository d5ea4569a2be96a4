"""All parts of one issuer, and the few of them that each interface is handed.

Only code that starts a process holds them all.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.composition.background import BackgroundJobs
from issuer.composition.foundation import build_sealer, require_master_key
from issuer.composition.parts import Parts
from issuer.database.deployment import require_issuer
from issuer.errors import ConfigurationError
from issuer.fields.branding import Image, read_image
from issuer.files import read_regular, reason_of
from issuer.keys import sealed_secrets_store as purposes
from issuer.keys.sealing import SealedTexts, Sealer
from issuer.settings import Settings
from issuer.status.readiness import RunningServer
from issuer.telemetry.tracing import Telemetry

if TYPE_CHECKING:
    from issuer.sign_in.provider_sign_in import ProviderSignIn
    from issuer.sign_in.provider_signals import ProviderSignals
    from issuer.status.server_status import AgentOSStatus, DeliveriesStatus, EndingStatus


class ProtocolParts:
    """What the protocol endpoints use."""

    def __init__(self, parts: Parts) -> None:
        self.settings = parts.settings
        self.clock = parts.clock
        self.keyring = parts.keys.keyring
        self.tokens = parts.tokens
        self.sign_in = parts.sign_in.sign_in
        self.people = parts.people
        self.audit_writer = parts.audit.writer
        self.refusals = parts.audit.refusals
        self.administration = parts.administration
        self.verifiers = parts.verifiers
        # Built when it is first used.
        self.provider_signals: Callable[[], ProviderSignals] = lambda: parts.provider_signals


class WebParts:
    """What the pages use."""

    def __init__(self, parts: Parts) -> None:
        self.random = random = parts.foundation.random
        derived = parts.foundation.derive
        self.settings = parts.settings
        self.logo = read_logo(parts.settings)
        self.clock = parts.clock
        people = parts.people
        self.sessions = people.sessions
        self.requests = people.requests
        self.request_began_at = people.request_began_at
        self.logout_requests = people.logout_requests
        self.provider_requests = people.provider_requests
        self.provider_sign_out = people.provider_sign_out
        self.device_codes = people.device_codes
        self.flow = people.flow
        self.sign_in = parts.sign_in.sign_in
        self.passwords = parts.sign_in.passwords
        self.guard = parts.sign_in.guard
        self.second_factor = parts.factors.second_factor
        self.passkeys = parts.factors.passkeys
        self.passkey_sign_in = parts.factors.passkey_sign_in
        self.client_authentication = parts.tokens.client_authentication
        self.last_use = parts.tokens.last_use
        self.directory = parts.tokens.directory
        self.changes = parts.tokens.changes
        self.administration = parts.administration
        self.audit_writer = parts.audit.writer
        self.refusals = parts.audit.refusals
        self.checkpoints = parts.audit.checkpoints
        self.token_counts = parts.audit.token_counts
        self.readiness = parts.readiness
        self.notices = SealedTexts(derived(purposes.CONSOLE_NOTICES), random)
        self.kept_forms = SealedTexts(derived(purposes.CONSOLE_KEPT_FORMS), random)
        self.anti_forgery_key = derived(purposes.ANTI_FORGERY)
        # Built when it is first used.
        self.provider_sign_in: Callable[[], ProviderSignIn] = lambda: parts.provider_sign_in


def read_logo(settings: Settings) -> Image | None:
    """The file that `ISSUER_BRAND_LOGO` names; `ConfigurationError` if the pages cannot show it."""
    if (path := settings.brand_logo) is None:
        return None
    try:
        return read_image(read_regular(path)[0])
    except ConfigurationError as error:
        raise ConfigurationError(f"ISSUER_BRAND_LOGO: {error}") from None
    except OSError as error:
        raise ConfigurationError(
            f"ISSUER_BRAND_LOGO cannot be read: {path}: {reason_of(error)}."
        ) from None
    except ValueError as error:
        raise ConfigurationError(
            f"ISSUER_BRAND_LOGO: {path} {error}. Use a PNG or WebP file."
        ) from None


class Composition(Parts):
    """The parts, and what is handed to interfaces."""

    @cached_property
    def background(self) -> BackgroundJobs:
        return BackgroundJobs(self)

    @cached_property
    def protocol(self) -> ProtocolParts:
        return ProtocolParts(self)

    @cached_property
    def web(self) -> WebParts:
        return WebParts(self)

    def running(self, pools: Sequence[WorkerPool]) -> RunningServer:
        """What status and metrics show of a server that begins now, with these pools."""
        return RunningServer(
            self.settings,
            self.clock,
            self.database,
            self.keys.keyring,
            self.tokens.revocations,
            self.verifiers,
            self.tokens.key_sets,
            self.provider_failures,
            self.audit.writer,
            self.audit.checkpoints,
            self.audit.pusher,
            self.mail.mailer,
            self.readiness,
            self.background.jobs,
            pools,
            self.clock(),
            self.clock.monotonic(),
            self._ending,
            self._agent_os,
            self._deliveries,
        )

    def _ending(self) -> "EndingStatus":
        from issuer.status.report import ending_status  # noqa: PLC0415 - for administrators

        with self.administration.reading() as work:
            return ending_status(work.assignments, work.clients, self.clock())

    def _agent_os(self) -> "AgentOSStatus":
        from issuer.status.agent_os import (  # noqa: PLC0415 - for administrators
            agent_os_states,
            agent_os_status,
        )

        with self.administration.reading() as work:
            return agent_os_status(agent_os_states(work))

    def _deliveries(self) -> "DeliveriesStatus":
        from issuer.status.server_status import DeliveriesStatus  # noqa: PLC0415 - for administrators

        with self.administration.reading() as work:
            waiting, failing = work.deliveries.counts()
        return DeliveriesStatus(waiting=waiting, failing=failing)


def compose(
    settings: Settings, clock: Clock | None = None, telemetry: Telemetry | None = None
) -> Composition:
    """The parts for `settings`; `ConfigurationError` if a server could not start."""
    require_master_key(settings)
    composition = compose_with(settings, clock or Clock(), build_sealer(settings), telemetry)
    with composition.database.reading() as session:
        require_issuer(session, settings.url)
    return composition


@contextmanager
def composed(settings: Settings) -> Iterator[Composition]:
    """The parts for `settings`, without their threads; their connections are closed at the end."""
    parts = compose(settings)
    try:
        yield parts
    finally:
        parts.database.dispose()


def compose_with(
    settings: Settings, clock: Clock, sealer: Sealer, telemetry: Telemetry | None = None
) -> Composition:
    """Compose with a database that may still belong to another issuer, or to none."""
    return Composition(settings, clock, sealer, telemetry or Telemetry())
