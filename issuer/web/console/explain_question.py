"""The question of the Explain screen, as its form or a link asks it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from issuer.catalogue import example_of
from issuer.clients import CLIENT
from issuer.errors import InvalidField, NotFound
from issuer.explain.explaining import Question
from issuer.users import USER
from issuer.web.console.endpoint import Operator
from issuer.web.console.holders import readable

REQUEST = ("method", "path", "family", "id", "verb", "scope")
PARAMETERS = ("subject", "through", "audience", "version", *REQUEST)
FAMILIES = ("agents", "teams", "workflows")
VERBS = ("run", "read", "write", "delete")
# What the form calls the members of a question.
_FIELDS = {"client_id": "through", "user_id": "subject"}


def asked(operator: Operator, values: Mapping[str, str]) -> Question:
    """The question; `InvalidField` for fields of the form.

    A request is named by method and path, by an agent, team or workflow and a verb, or by a scope
    that it requires.
    """
    method, path = _request(values)
    members = {**_subject(operator, values), "method": method, "path": path}
    members |= {name: values[name] for name in ("audience", "version") if values.get(name)}
    try:
        return Question.read(members)
    except InvalidField as error:
        problems = [(_FIELDS.get(name, name), why) for name, why in error.problems]
        raise InvalidField(*problems[0], *problems[1:]) from None


def in_form(error: InvalidField | NotFound) -> dict[str, str]:
    """Errors of the answer, by the field of the form."""
    if isinstance(error, NotFound):
        return {{"client": "through", "user": "subject"}.get(error.kind, error.kind): str(error)}
    return {_FIELDS.get(name, name): why for name, why in error.problems}


def _request(values: Mapping[str, str]) -> tuple[str, str]:
    if path := values.get("path", "").strip():
        return values.get("method", "GET").strip().upper(), path
    scope, name = values.get("scope", ""), "*"
    if values.get("id") or not scope:
        family, verb = values.get("family", FAMILIES[0]), values.get("verb", VERBS[0])
        if not (name := values.get("id", "").strip()):
            raise InvalidField("path", "Name a path, or an agent, team or workflow.")
        if family not in FAMILIES or verb not in VERBS:
            raise InvalidField("id", "is of no agent, team or workflow")
        scope = f"{family}:{verb}"
    if (example := example_of(scope)) is None:
        raise InvalidField("path", f"No request is known that requires {scope}.")
    method, path = example
    return method, path.replace("*", quote(name, safe="*"), 1)


def _subject(operator: Operator, values: Mapping[str, str]) -> dict[str, Any]:
    """A client comes before a user of that name, unless the user is asked about through one."""
    name, through = values["subject"].strip(), values.get("through", "").strip()
    kinds = readable(operator)
    with operator.administration.reading(operator.actor, operator.held) as work:
        if CLIENT in kinds and not through and work.clients.exists(name):
            return {"client_id": name}
        for find in (work.users.get, work.users.get_by_username) if USER in kinds else ():
            with suppress(NotFound):
                user: dict[str, Any] = {"user_id": find(name).id}
                return user | ({"client_id": through} if through else {})
    if through:
        operator.require(USER.read)
        kinds = [USER]
    raise InvalidField("subject", f"There is no {' or '.join(each.kind for each in kinds)} {name}.")
