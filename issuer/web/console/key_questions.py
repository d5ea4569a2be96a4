"""What `/console/keys` says before keys are rotated, or one is revoked."""

from collections.abc import Sequence
from dataclasses import dataclass

from issuer.vocabulary import SigningAlgorithm

ROTATE, REVOKE, FORCE = "rotate", "revoke", "force"
REFUSED = (
    "The rotation was refused, and nothing was changed: live verifiers lack the next key, or may"
    " lack it."
)
_ENDS = (
    "Every token that this key signed is refused: within 10 seconds by an AgentOS with the"
    " verifier, by other software when it fetches the key set again. Clients and applications need"
    " new tokens; people stay signed in here. This cannot be undone."
)
_ENDS_ACTIVE = " The next key signs from then on; verifiers without it refuse its tokens meanwhile."
_ROTATES = (
    "The next key signs from now on, and another one is announced. Tokens of the"
    " key that is active now stay valid until they expire; nothing ends. This cannot be undone."
)
_WAITS = " The rotation is refused while these live verifiers lack the next key, or may lack it:"
_FORCES = (
    "These live verifiers lack the next key, or may lack it, and refuse its tokens until they have"
    " fetched it. Wait until none is left, or force the rotation: the audit log then says how many"
    " lacked it. This cannot be undone."
)


@dataclass(frozen=True, slots=True)
class KeyQuestion:
    """`points` are the verifiers that `why` is about; `fields` are sent with the answer."""

    what: str
    why: str
    button: str
    fields: dict[str, str]
    points: Sequence[str] = ()


def before_rotation(
    alg: SigningAlgorithm, lacking: Sequence[str], *, force: bool = False
) -> KeyQuestion:
    """`lacking` are live verifiers without the next key, by name, and those that may lack it.

    `force` rotates despite them.
    """
    fields = {"do": ROTATE, ROTATE: str(alg)}
    if force and lacking:
        what, fields = f"Force the rotation of the {alg} keys?", {**fields, FORCE: "yes"}
        return KeyQuestion(what, _FORCES, "Force rotation", fields, lacking)
    why = _ROTATES + _WAITS * bool(lacking)
    return KeyQuestion(f"Rotate the {alg} keys?", why, "Rotate keys", fields, lacking)


def before_revocation(kid: str, beginning: str, *, is_active: bool) -> KeyQuestion:
    """`beginning` is that of the `kid`."""
    why = _ENDS + _ENDS_ACTIVE * is_active
    fields = {"do": REVOKE, REVOKE: kid}
    return KeyQuestion(f"Revoke the key {beginning}…?", why, "Revoke key", fields)
