"""What a process tells about itself while it runs, beside its log."""

from dataclasses import dataclass, field

from issuer.background.periodic import Periodic
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import Tracing


@dataclass(frozen=True)
class Telemetry:
    """Nothing by default. `sending` sends metrics to a collector."""

    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=Tracing)
    sending: Periodic | None = None

    def start(self) -> None:
        """Begin to write and send what is not written as it happens."""
        self.metrics.start()
        if self.sending is not None:
            self.sending.start()

    def stop(self) -> None:
        """Send what is waiting, for a few seconds at most."""
        if self.sending is not None:
            self.sending.stop()
        self.metrics.stop()
        self.tracing.stop()
