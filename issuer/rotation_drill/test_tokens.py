"""The tokens that a drill sends to verifiers."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.keys import SigningKey
from issuer.keys.private_key import Forger
from issuer.tokens import AccessToken, Authorization, Signer, TokenIssuer
from issuer.vocabulary import SHORTEST_TOKEN


class KeyPair(NamedTuple):
    """The active key, and the next one."""

    old: SigningKey
    new: SigningKey


@dataclass(frozen=True, slots=True)
class TestTokens:
    """One set of claims signed with the old key, with the new key, and with a forged signature."""

    old: AccessToken
    new: AccessToken
    forged: AccessToken


class TestTokenMaker:
    """Makes tokens of one authorization that are valid for a minute."""

    def __init__(
        self,
        administration: Administration,
        issuer: TokenIssuer,
        actor: Actor,
        authorization: Authorization,
        keys: KeyPair,
    ) -> None:
        self._administration = administration
        self._issuer = issuer
        self._actor = actor
        self._authorization = authorization
        self._keys = keys
        self._forger = Forger(keys.new)

    def fresh(self) -> TestTokens:
        """New tokens. As at the token endpoint, their audit events are durable first."""
        keyring = self._administration.keyring
        made = TestTokens(
            old=self._made(partial(keyring.sign_with, self._keys.old)),
            new=self._made(partial(keyring.sign_with, self._keys.new)),
            forged=self._made(self._forger.sign),
        )
        with self._administration.auditing(self._actor) as trail:
            for token in (made.old, made.new):
                trail.note("token.issued", self._authorization.subject, **self._details(token))
        return made

    def _made(self, sign: Signer) -> AccessToken:
        return self._issuer.issue_signed_by(
            sign, self._authorization, SHORTEST_TOKEN, self._administration.clock()
        )

    def _details(self, token: AccessToken) -> dict[str, object]:
        return {"drill": True, **token.details(self._authorization.audience.id)}
