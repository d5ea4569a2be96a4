"""What the admin API and the command line use."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from issuer.audit import Actor
from issuer.catalogue import OwnApi
from issuer.clock import Clock
from issuer.composition.factors import FactorParts
from issuer.composition.foundation import Foundation
from issuer.composition.keys import KeyParts
from issuer.composition.sign_in import SignInParts
from issuer.composition.tokens import TokenParts, see_own_change
from issuer.composition.unit_of_work import UnitOfWork
from issuer.database import Session
from issuer.errors import NotAllowed
from issuer.explaining import Explainer
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings
from issuer.vocabulary import SigningAlgorithm

_UNKNOWN = Actor()


@dataclass(frozen=True)
class Administration:
    """Opens units of work.

    `held` are the actor's scopes at the issuer's own audience; on the command line
    `issuer:admin`.
    """

    foundation: Foundation
    keys: KeyParts
    tokens: TokenParts
    sign_in: SignInParts
    factors: FactorParts
    explainer: Explainer

    @property
    def settings(self) -> Settings:
        return self.foundation.settings

    @property
    def clock(self) -> Clock:
        return self.foundation.clock

    @contextmanager
    def changing(self, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)) -> Iterator[UnitOfWork]:
        """A unit of work that changes something; its invariants are checked when it ends.

        This process applies the change at once.
        """
        with self.foundation.database.changing() as session:
            work = self._unit_of_work(session, actor, held)
            yield work
            work.check_invariants()
        see_own_change(self.tokens.changes)

    @contextmanager
    def reading(
        self, actor: Actor = _UNKNOWN, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> Iterator[UnitOfWork]:
        """A unit of work that only reads, and takes no lock."""
        with self.foundation.database.reading() as session:
            yield self._unit_of_work(session, actor, held)

    @contextmanager
    def changing_keys(
        self, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> Iterator[UnitOfWork]:
        """As `changing`, with due key rotation carried out before and after.

        So there is a next key to activate, and another one afterwards.
        """
        self.keys.keyring.put_in_order()
        with self.changing(actor, held) as work:
            yield work
        self.keys.keyring.put_in_order()

    def rotate_keys(
        self, alg: SigningAlgorithm | None, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> None:
        """Activate the next key of `alg`, or of each algorithm: all of them or none.

        `NotYet` if one of them was announced too recently.
        """
        ours = self.settings.signing_algorithms
        if alg is not None and alg not in ours:
            raise NotAllowed(f"ISSUER_SIGNING_ALGORITHMS does not name {alg}.")
        with self.changing_keys(actor, held) as work:
            for each in [alg] if alg else ours:
                work.keys.rotate(each)

    def _unit_of_work(self, session: Session, actor: Actor, held: Iterable[str]) -> UnitOfWork:
        parts = (self.foundation, self.keys, self.tokens, self.sign_in, self.factors)
        return UnitOfWork(session, *parts, actor, held)


def build_administration(
    foundation: Foundation,
    keys: KeyParts,
    tokens: TokenParts,
    sign_in: SignInParts,
    factors: FactorParts,
) -> Administration:
    settings = foundation.settings
    own_api = OwnApi(
        settings.url, settings.base_path, has_metrics=settings.metrics_token is not None
    )
    explainer = Explainer(tokens.directory, tokens.issuer, tokens.any_reader, own_api)
    return Administration(foundation, keys, tokens, sign_in, factors, explainer)
