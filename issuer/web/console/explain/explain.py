"""`/console/explain`: why a request or a token is allowed or refused, and what would allow it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.catalogue import SUPPORTED, UnknownVersion
from issuer.clients.client import CLIENT
from issuer.clients.operations import explain_token
from issuer.errors import InvalidField, NotFound
from issuer.explain.commands import explain
from issuer.explain.explaining import Question
from issuer.fields.text import readable_json
from issuer.inspection.components import FAMILIES, Components, names_of
from issuer.users import USER
from issuer.web.console.explain.remedies import Remedy, allow_audience, remedies_for
from issuer.web.console.screens.keys_of_others import fetch_first
from issuer.web.console.screens.operator import NeedsSignIn, Operator, readable
from issuer.web.console.screens.resource_form import choices_of, field_errors
from issuer.web.console.screens.screen import ConsoleScreen

_HELD = 50
_INSPECTED = 20  # audiences
_MOST = 100  # components of a family
REQUEST = ("method", "path", "component", "family", "id", "verb", "scope")
PARAMETERS = ("subject", "through", "behalf", "origin", "audience", "version", "by", *REQUEST)
VERBS = ("run", "read", "write", "delete")
# What the form calls the members of a question.
_FIELDS = {
    **{"client_id": "through", "user_id": "subject"},
    **{"on_behalf_of.audience": "origin", "on_behalf_of": "behalf"},
}


def read_question(operator: Operator, values: Mapping[str, str]) -> Question:
    """The question; `InvalidField` for fields of the form.

    A request is named by method and path, by an agent, team or workflow and a verb, or by a scope
    that it requires.
    """
    method, path = _request(operator, values)
    members = {**_subject(operator, values), "method": method, "path": path}
    members |= {name: values[name] for name in ("audience", "version") if values.get(name)}
    try:
        return Question.read(members)
    except InvalidField as error:
        raise error.renamed(_FIELDS) from None


def in_form(error: InvalidField | NotFound) -> dict[str, str]:
    """Errors of the answer, by the field of the form."""
    if isinstance(error, NotFound):
        return {{"client": "through", "user": "subject"}.get(error.kind, error.kind): str(error)}
    return {_FIELDS.get(name, name): why for name, why in error.problems}


def _request(operator: Operator, values: Mapping[str, str]) -> tuple[str, str]:
    """The button `by` says which part of the form counts: a component, or else a path first."""
    family, _, id_ = values.get("component", "").partition(":")
    if id_ and values.get("by") != "path":
        values = {**values, "family": family, "id": id_}
    if (path := values.get("path", "").strip()) and values.get("by") != "component":
        return values.get("method", "GET").strip().upper(), path
    scope, name = _scope_of(values)
    if (example := operator.administration.explainer.example_of(scope)) is None:
        raise InvalidField("path", f"No request is known that requires {scope}.")
    method, path = example
    return method, path.replace("*", quote(name, safe="*"), 1)


def _scope_of(values: Mapping[str, str]) -> tuple[str, str]:
    """The scope that a request needs that is named by it or by a verb; and of which component."""
    if values.get("scope") and not values.get("id"):
        return values["scope"], "*"
    family, verb = values.get("family", FAMILIES[0]), values.get("verb", VERBS[0])
    if not (name := values.get("id", "").strip()):
        raise InvalidField("path", "Name a path, or an agent, team or workflow.")
    if family not in FAMILIES or verb not in VERBS:
        raise InvalidField("id", "is of no agent, team or workflow")
    return f"{family}:{verb}", name


def _subject(operator: Operator, values: Mapping[str, str]) -> dict[str, Any]:
    """A client comes before a user of that name, unless the user is asked about through one."""
    name, through = values["subject"].strip(), values.get("through", "").strip()
    if behalf := values.get("behalf", "").strip():
        return _acting(operator, name, behalf, through, values.get("origin", "").strip())
    kinds = readable(operator)
    with operator.administration.reading(operator.actor, operator.held) as work:
        if CLIENT in kinds and not through and work.clients.exists(name):
            return {"client_id": name}
        with suppress(NotFound):
            if USER in kinds:
                user: dict[str, Any] = {"user_id": work.users.find(name).id}
                return user | ({"client_id": through} if through else {})
    if through:
        operator.require(USER.read)
        kinds = [USER]
    raise InvalidField("subject", f"There is no {' or '.join(each.kind for each in kinds)} {name}.")


def _acting(operator: Operator, name: str, user: str, through: str, origin: str) -> dict[str, Any]:
    """A client that acts on behalf of a user, with a token for the audience `origin`."""
    if not origin:
        raise InvalidField("origin", "Name the audience of the token that it exchanges.")
    operator.require(USER.read)
    with operator.work(CLIENT.read) as work:
        if not work.clients.exists(name):
            raise InvalidField("subject", f"There is no client {name}.")
        with suppress(NotFound):
            told = {"user_id": work.users.find(user).id, "audience": origin}
            told |= {"client_id": through} if through else {}
            return {"client_id": name, "on_behalf_of": told}
    raise InvalidField("behalf", f"There is no user {user}.")


def _choices(inspected: Sequence[Components], chosen: str) -> dict[str, list[tuple[str, str]]]:
    """Components by name, with the value of each choice, by family; and what was `chosen`."""
    names = names_of(inspected)
    choices: dict[str, list[tuple[str, str]]] = {}
    for family in FAMILIES:
        known = {f"{family}:{id_}": name for (of, id_), name in names.items() if of == family}
        if chosen.partition(":")[0] == family:
            known.setdefault(chosen, chosen.partition(":")[2])
        known.pop(f"{family}:*", None)
        some = sorted(known.items(), key=lambda each: each[1].casefold())[:_MOST]
        choices[family.capitalize()] = [(f"{family}:*", f"every {family[:-1]}"), *some]
    return choices


def _answer_values(values: Mapping[str, str], question: Question, audience: str) -> dict[str, str]:
    """The form beside an answer: with what the question left to be found out."""
    shown = {**values, "audience": audience}
    if values.get("id"):
        shown["component"] = f"{values.get('family', FAMILIES[0])}:{values['id']}"
    if not shown.get("component") or values.get("by") == "path":
        shown |= {"component": "", "method": question.method, "path": question.path}
    return shown


class ExplainScreen(ConsoleScreen):
    """The whole question is in the URL; without a request it only fills in the form."""

    PATH = "/console/explain"
    LABEL = "Explain"
    PARAMETERS = PARAMETERS

    def show(self) -> Response:
        query = self.visit.query
        values = {name: query[name] for name in PARAMETERS if name in query}
        is_asked = values.get("subject", "").strip() and values.keys() & set(REQUEST)
        if not (is_asked and readable(self.operator)):
            return self._page(values)
        try:
            question = read_question(self.operator, values)
            self.operator.require_read_of(question)
            answer = self._answer(question)
        except UnknownVersion as error:
            return self._page(values, errors={"version": str(error)})
        except (InvalidField, NotFound) as error:
            errors = in_form(error)
            is_of_audience = "audience" in errors and isinstance(error, InvalidField)
            found = self._of_audience(values) if is_of_audience else ()
            return self._page(values, errors=errors, remedies=found)
        shown = _answer_values(values, question, answer["audience"])
        command = explain(question, answer["audience"])
        return self._page(shown, answer=answer, commands=(command,))

    def _page(self, values: Mapping[str, str], **shown: Any) -> Response:
        """`kinds` of subjects may be asked about; `remedies` are for a question without answer."""
        operator = self.operator
        with operator.administration.reading(operator.actor, operator.held) as work:
            audiences = choices_of(operator, work, AUDIENCE, values.get("audience", ""))
            newest = work.inspections.newest_components
            inspected = newest(_INSPECTED) if operator.holds(AUDIENCE.read) else []
        at = [each for each in inspected if each.audience_id == values.get("audience")]
        usual: dict[str, Any] = {
            "kinds": [each.kind for each in readable(operator)],
            "suggested": [f"/console/{each.plural}" for each in readable(operator)],
            "audiences": audiences,
            "answer": None,
            "remedies": (),
            "components": _choices(at or inspected, values.get("component", "")),
            "verbs": VERBS,
            "suggests": True,
            "versions": SUPPORTED[::-1],
        }
        return self.answer("explain", "Explain", values=values, **usual | shown)

    def _answer(self, question: Question) -> dict[str, Any]:
        """The decision as its template shows it. `subjects` are the ids it is about, each with its
        plural.
        """
        explanation = self.parts.administration.explainer.explain(question)
        directory, told = self.parts.directory, question.on_behalf_of
        user_id = told.user_id if told else question.user_id
        user = directory.load_user(user_id) if user_id else None
        subjects = {user.id: "users"} if user else {}
        for client_id in (question.client_id, told.client_id if told else None):
            if client := directory.load_client(client_id) if client_id else None:
                subjects[client.client_id] = "clients"
        remedies = remedies_for(self.operator, explanation)
        return {
            "explanation": explanation,
            "request": f"{question.method} {question.path}",
            "audience": explanation.audience,
            "subjects": subjects,
            "on_behalf_of": told,
            "is_of_user_alone": [*subjects.values()] == ["users"],
            "remedies": [] if explanation.decision.allowed else [*dict.fromkeys(remedies)],
            "most": _HELD,
        }

    def _of_audience(self, values: Mapping[str, str]) -> tuple[Remedy, ...]:
        """For a client that may have no tokens for the audience that was named."""
        client_id, audience = values.get("through") or values["subject"], values.get("audience", "")
        if not (audience and self.operator.holds(CLIENT.read)):
            return ()
        client = self.parts.directory.load_client(client_id)
        if client is None or client.is_self_registered:
            return ()
        return (allow_audience(client, audience),)


class ExplainTokenScreen(ConsoleScreen):
    """The token is in the body of a form: it is in no URL and no log, is not stored or used up.

    `?client=` fills in the client.
    """

    PATH = "/console/explain/token"
    READ = CLIENT.read
    PARAMETERS = ("client",)
    SIGN_IN = {"": NeedsSignIn.NEVER}

    def show(self) -> Response:
        return self._page(self.visit.query.get("client", ""))

    def act(self) -> Response:
        client_id = self.form.get("client", "").strip()
        try:
            return self._page(client_id, verdict=self._verdict(client_id))
        except InvalidField as error:
            return self._page(client_id, errors=field_errors(error))

    def _verdict(self, client_id: str) -> dict[str, Any]:
        """What each trust of the client says to the token, and its claims as JSON, not verified."""
        with self.operator.work(CLIENT.read) as work:
            if not work.clients.exists(client_id):
                raise InvalidField("client", str(NotFound("client", client_id)))
        if not (token := "".join(self.form.get("token", "").split())):
            raise InvalidField("token", "Paste the token.")
        found = self.parts.administration.client_assertions.explained(client_id, token)
        fetch_first(self.form, found.fetch_keys)
        try:
            claims = readable_json(found.unverified_claims)
        except RecursionError:
            raise InvalidField("token", "Its claims are nested too deeply.") from None
        is_accepted = any(not each.rule for each in found.trusts) or client_id in found.by_grant
        return {"found": found, "claims": claims, "is_accepted": is_accepted}

    def _page(self, client_id: str, **shown: Any) -> Response:
        """Without the token: what proves who somebody is, is typed again."""
        return self.answer(
            "explain_token",
            "Explain a token",
            commands=(explain_token(client_id),) if client_id else (),
            values={"client": client_id},
            **{"verdict": None, **shown},
        )
