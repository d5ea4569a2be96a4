"""Keys in the house's own database, each private part sealed under the master key."""

import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeAlias

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from sqlalchemy import select

from issuer.clock import Clock
from issuer.database import Database
from issuer.database.tables import SigningKeyRow
from issuer.keys.schedule import NewKey
from issuer.keys.sealing import Sealer
from issuer.keys.signing_key import SigningKey
from issuer.vocabulary import SigningAlgorithm

_RSA_BITS = 2048

# RFC 9864 renames it to Ed25519, but agno and PyJWT know only the old name.
warnings.filterwarnings("ignore", message="EdDSA is deprecated")
_registry = JWSRegistry(algorithms=list(SigningAlgorithm))

_PrivateKey: TypeAlias = RSAKey | ECKey | OKPKey

_KEY_TYPES: dict[SigningAlgorithm, type[_PrivateKey]] = {
    SigningAlgorithm.RS256: RSAKey,
    SigningAlgorithm.PS256: RSAKey,
    SigningAlgorithm.ES256: ECKey,
    SigningAlgorithm.EDDSA: OKPKey,
}


# A newer program may have added algorithms that this one cannot use.
_KNOWN = select(SigningKeyRow).where(SigningKeyRow.alg.in_(list(SigningAlgorithm)))


class SqlKeyBackend:
    """The `KeyBackend` of a house without a key management system."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._ready: dict[str, _PrivateKey] = {}
        self._unstored: dict[str, bytes] = {}

    def load(self) -> list[SigningKey]:
        """Unsealing and preparing take milliseconds a key, so it is done once for each."""
        with self._database.reading() as session:
            rows = session.scalars(_KNOWN).all()
        keys = [_signing_key(row) for row in rows]
        boxes = {row.kid: row for row in rows}
        self._ready = {
            key.kid: self._ready.get(key.kid) or self._opened(boxes[key.kid])
            for key in keys
            if key.is_usable
        }
        return [self._as_sealed(key) for key in keys]

    def create(self, wanted: NewKey) -> SigningKey:
        key = _generated(wanted.alg)
        kid = key.thumbprint()
        self._unstored[kid] = self._sealer.seal(key.as_der(private=True), kid)
        return SigningKey(
            kid=kid,
            alg=wanted.alg,
            public_jwk=_public(key, kid, wanted.alg),
            announced_at=wanted.announced_at,
            activates_at=wanted.activates_at,
        )

    def store(self, created: Collection[SigningKey], *, seen: Collection[SigningKey]) -> bool:
        boxes = {key.kid: self._unstored.pop(key.kid) for key in created}
        with self._database.changing() as session:
            rows = session.scalars(_KNOWN).all()
            usable = {row.kid for row in rows if _signing_key(row).is_usable}
            if usable != {key.kid for key in seen if key.is_usable}:
                return False
            session.add_all(_row(key, boxes[key.kid]) for key in created)
        return True

    def destroy(self, kid: str) -> None:
        with self._database.changing() as session:
            row = session.get_one(SigningKeyRow, kid)
            row.sealed_private = None
            row.destroyed_at = row.destroyed_at or self._clock()
        self._ready.pop(kid, None)

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        return jws.serialize_compact(dict(header), payload, self._ready[kid], registry=_registry)

    def _as_sealed(self, key: SigningKey) -> SigningKey:
        """Published is what belongs to the sealed part, whatever somebody wrote beside it."""
        if key.kid not in self._ready:
            return key
        return replace(key, public_jwk=_public(self._ready[key.kid], key.kid, key.alg))

    def _opened(self, row: SigningKeyRow) -> _PrivateKey:
        der = self._sealer.open(row.sealed_private or b"", row.kid)
        return _KEY_TYPES[row.alg].import_key(der)


def _generated(alg: SigningAlgorithm) -> _PrivateKey:
    match alg:
        case SigningAlgorithm.RS256 | SigningAlgorithm.PS256:
            return RSAKey.generate_key(_RSA_BITS, private=True)
        case SigningAlgorithm.ES256:
            return ECKey.generate_key("P-256", private=True)
        case SigningAlgorithm.EDDSA:
            return OKPKey.generate_key("Ed25519", private=True)


def _public(key: _PrivateKey, kid: str, alg: SigningAlgorithm) -> dict[str, object]:
    """The published member (RFC 7517 §4)."""
    public = {**key.as_dict(private=False), "alg": alg.value, "use": "sig", "kid": kid}
    return dict(sorted(public.items()))


def _signing_key(row: SigningKeyRow) -> SigningKey:
    return SigningKey(
        kid=row.kid,
        alg=row.alg,
        public_jwk=row.public_jwk,
        announced_at=row.announced_at,
        activates_at=row.activates_at,
        revoked_at=row.revoked_at,
        destroyed_at=row.destroyed_at,
    )


def _row(key: SigningKey, box: bytes) -> SigningKeyRow:
    return SigningKeyRow(
        kid=key.kid,
        alg=key.alg,
        public_jwk=dict(key.public_jwk),
        sealed_private=box,
        announced_at=key.announced_at,
        activates_at=key.activates_at,
    )
