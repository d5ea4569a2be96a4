"""Deleting an audience: what ends with it is said first, and its id must be typed."""

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients import CLIENT
from issuer.errors import InUse
from issuer.web.console.audience_edit import AudienceChange
from issuer.web.console.audience_uses import AudienceUses, audience_uses
from issuer.web.console.audiences import LIST

_NAMED = 5


def delete_audience(change: AudienceChange) -> Response:
    """Once its id was typed; what uses it loses it only if the page said so."""
    if not change.is_confirmed:
        return _asked(change)
    if not change.has_typed(change.key):
        return _asked(change, f"Type {change.key} to confirm.")
    cascade = change.form.get("cascade") == "yes"
    try:
        with change.operator.work(AUDIENCE.write) as work:
            work.audiences.delete(change.key, cascade=cascade)
    except InUse:  # since the page was shown
        return _asked(change)
    command = change.deletion(cascade=cascade)
    return change.endpoint.finished(LIST, f"The audience {change.key} is deleted.", command)


def _asked(change: AudienceChange, error: str = "") -> Response:
    names: list[str] = []
    with change.operator.work(AUDIENCE.read) as work:
        work.audiences.authorize_release(change.key)
        uses = audience_uses(work, change.key)
        if change.operator.holds(CLIENT.read):
            names = work.clients.ids_at(change.key, "", _NAMED)
    fields = {"do": "delete"} | ({"cascade": "yes"} if uses else {})
    return change.endpoint.ask(
        change.operator,
        change.visit,
        f"Delete the audience {change.key}?",
        _ends(uses, names),
        "Delete audience",
        fields,
        commands=(change.deletion(cascade=bool(uses)),),
        typed=change.key,
        error=error,
    )


def _ends(uses: AudienceUses, names: list[str]) -> str:
    """What ends with it, as sentences."""
    sentences = [
        "Every token for it is revoked: an AgentOS with the verifier refuses them within 10"
        " seconds. They stay revoked if the id is used again."
    ]
    if uses.clients:
        among = f" ({', '.join(names)})" if names else ""
        if 0 < len(names) < uses.clients:
            among = f", among them {', '.join(names)},"
        verb = "gets" if uses.clients == 1 else "get"
        sentences.append(f"{uses.clients_in_words}{among} {verb} no more tokens for it.")
    if uses.assigned:
        verb = "loses" if uses.assigned == 1 else "lose"
        sentences.append(f"{uses.assigned_in_words} {verb} the roles assigned at it.")
    if not uses:
        sentences.append("No client may ask for its tokens, and no role is assigned at it.")
    return " ".join([*sentences, "This cannot be undone."])
