"""How many clients and assignments name an audience."""

from dataclasses import dataclass

from issuer.composition import UnitOfWork
from issuer.web.console.listing import MOST_COUNTED, counted


@dataclass(frozen=True, slots=True)
class AudienceUses:
    """`clients` that may request its tokens; `assigned` principals have a role at exactly it.

    Neither is counted beyond `MOST_COUNTED`.
    """

    clients: int
    assigned: int

    def __bool__(self) -> bool:
        return bool(self.clients or self.assigned)

    @property
    def clients_in_words(self) -> str:
        return f"{counted(self.clients)} client{'s' if self.clients != 1 else ''}"

    @property
    def assigned_in_words(self) -> str:
        if self.assigned == 1:
            return "1 client or user"
        return f"{counted(self.assigned)} clients and users"


def audience_uses(work: UnitOfWork, audience_id: str) -> AudienceUses:
    return AudienceUses(
        work.clients.count_at(audience_id, MOST_COUNTED),
        work.assignments.count_at(audience_id, MOST_COUNTED),
    )
