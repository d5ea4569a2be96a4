"""What an administrator does to a client beside changing it."""

import json
from typing import Any, Protocol

from issuer.clients.client import CLIENT, Client, ClientSecret, NewSecret, SecretFields
from issuer.clients.clients import Clients, keys_of, without_key
from issuer.clients.rotation import FinishedRotation, RotationInProgress, Rotations, how_last_used
from issuer.clients.trust import Trust, named_trusts, patch_of_trusts
from issuer.deliveries.deliveries import Deliveries, DeliveryState
from issuer.deliveries.logouts_store import LOGOUT
from issuer.deliveries.queue_store import Recipient
from issuer.errors import NotFound
from issuer.operations import About, Creation, Flag, Operation, OperationQuestion, PartOf
from issuer.resources import Command
from issuer.roles.operations import RolesOf


class ClientWork(Protocol):
    """What these use of a unit of work."""

    clients: Clients
    rotations: Rotations
    deliveries: Deliveries


def _rotation(work: ClientWork, client_id: str, _: str = "") -> RotationInProgress:
    if (rotation := work.rotations.find(client_id)) is None:
        raise NotFound("rotation of the client", client_id)
    warnings = work.rotations.warnings(rotation)
    return RotationInProgress(new=rotation.new, old=list(rotation.old), warnings=warnings)


def _finish(work: ClientWork, client_id: str, _: str, *, force: bool) -> FinishedRotation:
    _rotation(work, client_id)
    rotation = work.rotations.finish(client_id, force=force)
    return FinishedRotation(deleted=list(rotation.old), kept=rotation.new.id)


def _cancel(work: ClientWork, client_id: str, _: str) -> str:
    _rotation(work, client_id)
    return work.rotations.cancel(client_id).id


def _logouts(work: ClientWork, client_id: str, _: str = "") -> DeliveryState:
    if work.clients.get(client_id).backchannel_logout_uri is None:
        raise NotFound("back-channel logout of the client", client_id)
    return work.deliveries.state(Recipient(LOGOUT, client_id))


def _retry_logouts(work: ClientWork, client_id: str, _: str) -> None:
    _logouts(work, client_id)
    work.deliveries.retry(Recipient(LOGOUT, client_id))


def _revoking(_: ClientWork, about: About) -> OperationQuestion:
    return OperationQuestion(
        f"Revoke all tokens of {about.name}?",
        "Every token issued so far is refused everywhere within seconds, those of people who signed"
        f" in through {about.name} included. New ones may be issued. This cannot be undone.",
        "Revoke tokens",
    )


def _deleting_secret(work: ClientWork, about: About) -> OperationQuestion:
    secret = work.clients.secret(about.owner_id, about.item)
    tokens = (
        f"every token of {about.name} is revoked, whichever secret it used."
        if AND_ITS_TOKENS.name in about.flags
        else "tokens that it gave stay valid until they expire."
    )
    label = f" ({secret.label})" if secret.label else ""
    return OperationQuestion(
        f"Delete the secret {secret.id}{label} of {about.name}?",
        f"It {how_last_used(secret)}. It is refused within a second; {tokens} This cannot be"
        " undone.",
        "Delete secret",
        ends=secret.id,
    )


def _finishing(work: ClientWork, about: About) -> OperationQuestion:
    rotation = work.rotations.get(about.owner_id)
    warnings = work.rotations.warnings(rotation)
    old = ", ".join(secret.id for secret in rotation.old)
    return OperationQuestion(
        f"Finish the rotation of {about.name}?",
        f"{old} will be refused within a second. This cannot be undone.",
        "Delete the old secret despite this" if warnings else "Delete the old secret",
        tuple(warnings),
        ends=" ".join(rotation.ids),
    )


def _cancelling(work: ClientWork, about: About) -> OperationQuestion:
    new = work.rotations.get(about.owner_id).new
    return OperationQuestion(
        f"Cancel the rotation of {about.name}?",
        f"The new secret {new.id} is deleted. It {how_last_used(new)}. The old one keeps working.",
        "Delete the new secret",
        ends=new.id,
    )


def _deleting_key(work: ClientWork, about: About) -> OperationQuestion:
    client = work.clients.get(about.owner_id)
    is_last = not without_key(client, about.item)["jwks"]
    has_others = client.trusts or client.token_endpoint_auth_method.has_secret
    last = "It is the last way in which the client can authenticate. "
    return OperationQuestion(
        f"Delete the key {about.item} of {about.name}?",
        "Assertions that it signs are refused within a second; tokens that it gave stay valid"
        f" until they expire. {last if is_last and not has_others else ''}This cannot be undone.",
        "Delete key",
    )


def _removing_trust(work: ClientWork, about: About) -> OperationQuestion:
    trust = named_trusts(work.clients.get(about.owner_id).trusts, about.item)[0]
    return OperationQuestion(
        f"Remove the trust in {trust.subject} of {trust.issuer}?",
        f"Its tokens no longer authenticate {about.name}, within a second. Tokens that were issued"
        " before stay valid until they expire.",
        "Remove trust",
    )


def _without_trust(client: Client, text: str) -> dict[str, Any]:
    removed = named_trusts(client.trusts, text)
    return patch_of_trusts(trust for trust in client.trusts if trust not in removed)


def explain_token(client_id: str) -> Command:
    """Explain why a token of another issuer authenticates a client, or why not."""
    return Command(TRUSTS.command("explain", client_id))


def add_trust(client_id: str, trust: Trust) -> Command:
    """Add a trust. The admin API replaces all of a client."""
    claims = [w for n, v in trust.claims.items() for w in ("--claim", f"{n}={json.dumps(v)}")]
    audience = ["--audience", trust.audience] if trust.audience else []
    options = ["--oidc", trust.subject, *audience, *claims, *(["--once"] if trust.once else [])]
    words = (*TRUSTS.command("add", client_id), "--issuer", trust.issuer, *options)
    return Command(words)


def _new(stored: ClientSecret, secret: str) -> NewSecret:
    return NewSecret.model_construct(**dict(stored), client_secret=secret)


AND_ITS_TOKENS = Flag(
    name="and_its_tokens",
    about="Also revoke all tokens of the client, whichever secret it used.",
    option="Revoke every token issued to the client so far, whichever secret it used.",
    label="Also revoke every token of the client, whichever secret it used",
    done="The client's tokens are revoked.",
)
FORCE = Flag(name="force", about="Finish despite `warnings`.")
SECRETS = PartOf[ClientWork, ClientSecret](
    owner=CLIENT,
    name="secret",
    plural="secrets",
    model=ClientSecret,
    about="The secrets of a client. Several can be valid at a time, for rotation.",
    lists="List metadata of the client's secrets, oldest first; never a secret.",
    reads="Read the metadata of a secret; never the secret.",
    items=lambda work, client_id: work.clients.secrets(client_id),
    item=lambda work, client_id, secret_id: work.clients.secret(client_id, secret_id),
    columns=("id", "state", "label", "created_at", "expires_at", "last_used_at"),
    state=lambda secret, now: {"state": secret.state_at(now).value},
    example="secret_4v7hq2m8x1kd0c5t",
)
ROTATION = PartOf[ClientWork, RotationInProgress](
    owner=CLIENT,
    name="rotate",
    plural="rotation",
    model=RotationInProgress,
    about="Replace the secret of a client without downtime: both work until you finish.",
    reads="Read the rotation. The last use of each secret is updated every few seconds.",
    item=_rotation,
    key="",
)
KEYS = PartOf[ClientWork, Any](
    owner=CLIENT,
    name="key",
    plural="keys",
    about="The public keys of a client, which then needs no secret (RFC 7523 §2.2).",
    lists="List the public keys of a client; for one with a jwks_uri, see client show.",
    items=lambda work, client_id: keys_of(work.clients.get(client_id)),
    key="kid",
    member="jwks",
    columns=("kid", "alg"),
    example="4v7hq2m8x1kd0c5tz9pa",
)
TRUSTS = PartOf[ClientWork, Trust](
    owner=CLIENT,
    name="trust",
    plural="trusts",
    model=Trust,
    about="Tokens of other issuers that authenticate a client in place of a secret.",
    lists="List the trusts of a client.",
    items=lambda work, client_id: work.clients.get(client_id).trusts,
    key=("issuer", "subject"),
    member="trusts",
    columns=("issuer", "subject", "audience", "claims", "once"),
    example="--issuer mesh --subject spiffe://prod/web",
)
LOGOUTS = PartOf[ClientWork, DeliveryState](
    owner=CLIENT,
    name="backchannel-logout",
    plural="backchannel-logout",
    model=DeliveryState,
    about="Telling a client that sessions of people ended (OpenID Connect Back-Channel Logout).",
    reads="Read how many logout tokens wait for the client, and what came of the last ones.",
    item=_logouts,
    key="",
)
FINISH_ROTATION = Operation[ClientWork](
    name="finish_rotation",
    on=ROTATION,
    verb="finish",
    past="deleted",
    summary="Delete the secrets older than the new one, and say when they were last used.",
    more="It is refused if an old one was used in the last 24 hours, or the new one never,"
    " unless somebody confirms that.",
    question=_finishing,
    run=_finish,
    answers=FinishedRotation,
    done="{answer.last_uses}\nDeleted the old secrets; the new secret {answer.kept} stays.",
    flags=(FORCE,),
    is_post=True,
    is_refusable=True,
)
DELETE_KEY = Operation[ClientWork](
    name="delete_key",
    on=KEYS,
    verb="delete",
    past="deleted",
    summary="Delete a public key of a client. It is refused within a second; tokens stay valid.",
    question=_deleting_key,
    patch=without_key,
    done="Deleted the key {item}.",
)
REMOVE_TRUST = Operation[ClientWork](
    name="remove_trust",
    on=TRUSTS,
    verb="remove",
    past="removed",
    summary="Remove a trust of a client. Tokens that were issued before stay valid.",
    question=_removing_trust,
    patch=_without_trust,
    done="Removed the trust in {subject} of {issuer}.",
)
CLIENT_ROLES = RolesOf(CLIENT)
REVOKE_TOKENS = Operation[ClientWork](
    name="revoke_client_tokens",
    on=CLIENT,
    verb="revoke-tokens",
    past="revoked",
    summary="Revoke every token issued to the client so far, everywhere within seconds.",
    more="Tokens of users who signed in through it are included. The client may request new ones.",
    question=_revoking,
    run=lambda work, client_id, _: work.clients.revoke_tokens(client_id),
    done="All tokens of {name} are revoked.",
    asks_scripts=True,
)
OPERATIONS: tuple[Operation[Any] | Creation[ClientWork], ...] = (
    REVOKE_TOKENS,
    Creation(
        name="create_secret",
        on=SECRETS,
        verb="create",
        summary="Create another secret for a client, shown once. The others keep working.",
        more="So the old one can be replaced without downtime.",
        examples=("", "--label github --expires-at 90d"),
        fields=SecretFields,
        created=NewSecret,
        once="client_secret",
        run=lambda work, client_id, fields: _new(*work.clients.add_secret(client_id, fields)),
        done="A secret of {name} is added.",
        is_refusable=True,
    ),
    Operation(
        name="delete_secret",
        on=SECRETS,
        verb="delete",
        past="deleted",
        summary="Delete a secret. It is refused within a second; tokens stay valid by default.",
        question=_deleting_secret,
        run=lambda work, client_id, secret_id, *, and_its_tokens=False: work.clients.delete_secret(
            client_id, secret_id, and_its_tokens=and_its_tokens
        ),
        done="Deleted the secret {item}.",
        flags=(AND_ITS_TOKENS,),
        is_refusable=True,
    ),
    Creation(
        name="start_rotation",
        on=ROTATION,
        verb="start",
        summary="Create a second secret, shown once. The old ones work until you finish.",
        created=NewSecret,
        once="client_secret",
        run=lambda work, client_id, _: _new(*work.rotations.start(client_id)),
        done="{name} has a second secret.",
        then=(
            "Deploy the new secret wherever the service reads it. The old one keeps working.",
            "Look at the page of the client: it says when and from where each secret was last"
            " used.",
            "When nothing uses the old one any more, finish the rotation there. It deletes the old"
            " one.",
        ),
        is_refusable=True,
    ),
    FINISH_ROTATION,
    Operation(
        name="cancel_rotation",
        on=ROTATION,
        verb="cancel",
        past="deleted",
        summary="Delete the new secret. The old ones keep working.",
        question=_cancelling,
        run=_cancel,
        done="Deleted the new secret {item}.",
        is_refusable=True,
    ),
    Operation(
        name="retry_backchannel_logout",
        on=LOGOUTS,
        verb="retry",
        past="retried",
        summary="Send the logout tokens that wait for a client now.",
        more="After a failure, the next attempt is up to an hour later; for a day, then a token is"
        " given up.",
        run=_retry_logouts,
        done="{name} is told within seconds.",
        is_post=True,
    ),
    DELETE_KEY,
    REMOVE_TRUST,
    *CLIENT_ROLES.operations,
)
