"""What operators see of the messages to a recipient, and can do."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from issuer.database.store import as_model
from issuer.database.tables import DeliveryRecipientRow
from issuer.deliveries.queue_store import DeliveryQueue, Recipient
from issuer.resources import WithinTransaction

_SHOWN_FOR = timedelta(days=7)  # a failure, while nothing else is sent


class DeliveryState(BaseModel):
    """How many messages wait for a recipient, and what came of the last ones.

    `next_attempt_at` is when the oldest one is sent, `last_failure` why one was not accepted.
    """

    model_config = ConfigDict(frozen=True)

    waiting: int = 0
    next_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure: str | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        failed_at, success_at = self.last_failure_at, self.last_success_at
        return failed_at is not None and (success_at is None or failed_at > success_at)

    @property
    def problem(self) -> str:
        """What came of the last failure, in a sentence or two."""
        if not self.waiting:
            return f"The last message was not accepted: {self.last_failure} It is not sent again."
        waiting = "1 message waits" if self.waiting == 1 else f"{self.waiting:,} messages wait"
        return f"{waiting}: {self.last_failure} It is tried again for a day."


class Deliveries(WithinTransaction):
    """The messages that wait, for operators, within one transaction."""

    def state(self, recipient: Recipient) -> DeliveryState:
        row = DeliveryQueue(self._session).find(recipient)
        return _state(row) if row else DeliveryState()

    def counts(self) -> tuple[int, int]:
        """How many messages wait, and at how many recipients the last attempt failed."""
        return DeliveryQueue(self._session).counts(self._clock() - _SHOWN_FOR)

    def failing(self, limit: int) -> list[tuple[Recipient, DeliveryState]]:
        """Recipients at which the last attempt failed, in order."""
        rows = DeliveryQueue(self._session).failing(self._clock() - _SHOWN_FOR, limit)
        return [(Recipient(row.kind, row.recipient), _state(row)) for row in rows]

    def retry(self, recipient: Recipient) -> None:
        """Deliver at once what waits for the next attempt."""
        DeliveryQueue(self._session).retry(recipient, self._clock())


def _state(row: DeliveryRecipientRow) -> DeliveryState:
    return as_model(DeliveryState, row, next_attempt_at=row.due_at)
