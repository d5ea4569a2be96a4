"""Who gives a credential, and with which rights."""

from dataclasses import dataclass

from issuer.vocabulary import GivenAs


@dataclass(frozen=True, slots=True)
class Grantor:
    """The actor `by`, and the rights at the issuer it had then; None: not known."""

    by: str | None
    given_as: GivenAs | None

    @property
    def is_admin(self) -> bool:
        """Whether it held `issuer:admin`, as the command line does."""
        return self.given_as in {GivenAs.ADMIN, GivenAs.LOCAL}
