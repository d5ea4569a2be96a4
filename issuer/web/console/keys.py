"""`/console/keys`: the life of the signing keys; rotate them, or revoke one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from issuer.errors import NotFound
from issuer.keys.described import DescribedKey, all_described
from issuer.keys.schedule import KeyState
from issuer.verifiers.known_verifiers import DescribedVerifier, VerifiersLackKey
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.charts import KeyTimeline, timeline
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import ConsolePage
from issuer.web.console.verifiers import READ as READ_VERIFIERS
from issuer.web.console.verifiers import names_of
from issuer.web.visit import Visit

READ, WRITE = "issuer:keys:read", "issuer:keys:write"
_LIST = "/console/keys"
_ENDED = 5  # keys of an algorithm that neither sign nor verify any more
_TYPED = 8  # characters of the id of a key
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


@dataclass(frozen=True, kw_only=True)
class KeysPage(ConsolePage):
    """`rotatable` are algorithms whose next key may sign already.

    `live_verifiers` is None for a person who may not read verifiers. `lacking` has the names of
    those that lack the next key; such a person sees them only before a rotation.
    """

    TEMPLATE = "console/keys.html"
    title = "Keys"
    timelines: tuple[KeyTimeline, ...]
    rotatable: frozenset[SigningAlgorithm]
    live_verifiers: int | None
    lacking: Mapping[SigningAlgorithm, tuple[str, ...]]


class KeysEndpoint(ConsoleEndpoint):
    """`?rotate=ALG` and `?revoke=KID` ask before it is done, of somebody who signed in just now."""

    PATH = _LIST
    LABEL = "Keys"
    READ, WRITE = READ, WRITE
    PARAMETERS = (ROTATE, REVOKE)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        for do in self.PARAMETERS:
            if do in visit.query:
                return self._question(operator, visit, do, visit.query[do])
        return self._page(operator, visit)

    def sign_in_again(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        """And back to the question, which says what ends."""
        return self.sign_in_first(visit, form)

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        do = REVOKE if form.get("do") == REVOKE else ROTATE
        key, expected = self._chosen(do, form.get(do, ""))
        typed = form.get("typed", "").strip()
        is_typed = typed.startswith(expected) and key.startswith(typed)
        force = form.get(FORCE) == "yes"
        if not is_typed:
            error = f"Type {expected} to confirm."
            return self._question(operator, visit, do, key, error, force=force)
        if do == REVOKE:
            return self._revoke(operator, key)
        try:
            return self._rotate(operator, key, force=force)
        except VerifiersLackKey:
            return self._question(operator, visit, do, key, refusal=REFUSED, force=True)

    def _page(self, operator: Operator, visit: Visit) -> Response:
        now, keys = self.parts.clock(), self._keys()
        reads_verifiers = operator.holds(READ_VERIFIERS)
        live = self._live_verifiers(operator) if reads_verifiers else []
        page = KeysPage(
            frame=self.frame(operator, visit),
            may_change=operator.holds(WRITE),
            live_verifiers=len(live) if reads_verifiers else None,
            lacking={alg: _lacking(live, keys, alg) for alg in {key.alg for key in keys}},
            commands=(self.commands.command(("key", "list"), "GET", ("keys",)),),
            timelines=tuple(timeline(alg, ours, now) for alg, ours in _by_algorithm(keys)),
            rotatable=frozenset(
                key.alg for key in keys if key.state is KeyState.ANNOUNCED and key.ready_at <= now
            ),
        )
        return self.site.pages.answer(page)

    def _question(
        self,
        operator: Operator,
        visit: Visit,
        do: str,
        key: str,
        error: str = "",
        *,
        refusal: str = "",
        force: bool = False,
    ) -> Response:
        operator.require(WRITE)
        key, typed = self._chosen(do, key)
        if not self.site.is_fresh(operator.session):
            return self.sign_in_first(visit, {do: key})
        question = self._before(operator, do, key, force=force)
        return self.ask(
            operator,
            visit,
            question.what,
            question.why,
            question.button,
            question.fields,
            typed=typed,
            error=error,
            points=question.points,
            refusal=refusal,
        )

    def _before(self, operator: Operator, do: str, key: str, *, force: bool) -> KeyQuestion:
        if do == REVOKE:
            is_active = self._key(key).state is KeyState.ACTIVE
            return before_revocation(key, key[:_TYPED], is_active=is_active)
        alg = SigningAlgorithm(key)
        lacking = _lacking(self._live_verifiers(operator), self._keys(), alg)
        with operator.work(READ) as work:
            left_out = work.verifiers.left_out_just_now()
        may_lack = (f"{left_out}, and may lack it",) if left_out else ()
        return before_rotation(alg, (*lacking, *may_lack), force=force)

    def _rotate(self, operator: Operator, name: str, *, force: bool) -> Response:
        alg = SigningAlgorithm(name)
        self.parts.administration.rotate_keys(alg, operator.actor, operator.held, force=force)
        command = self.commands.command(
            ("key", "rotate", "--alg", alg, *(["--force"] if force else [])),
            "POST",
            ("keys", "rotate"),
            query=f"alg={alg}{'&force=true' if force else ''}",
        )
        return self.finished(_LIST, f"The next {alg} key signs, another is announced.", command)

    def _revoke(self, operator: Operator, kid: str) -> Response:
        with self.parts.administration.changing_keys(operator.actor, operator.held) as work:
            work.keys.revoke(kid)
        cli = ("key", "revoke", *(["--"] if kid.startswith("-") else []), kid)
        command = self.commands.command(cli, "POST", ("keys", kid, "revoke"))
        return self.finished(_LIST, f"The key {kid} is revoked.", command)

    def _live_verifiers(self, operator: Operator) -> list[DescribedVerifier]:
        with operator.work(READ) as work:
            return [each for each in work.verifiers.all() if each.live]

    def _chosen(self, do: str, name: str) -> tuple[str, str]:
        """The algorithm or the id of the key, and what of it must be typed; `NotFound`."""
        if do == REVOKE:
            return name, self._key(name).kid[:_TYPED]
        if name not in self.parts.settings.signing_algorithms:
            raise NotFound("algorithm", name)
        return name, name

    def _key(self, kid: str) -> DescribedKey:
        found = next((key for key in self._keys() if key.kid == kid and not key.revoked_at), None)
        if found is None:
            raise NotFound("key", kid)
        return found

    def _keys(self) -> list[DescribedKey]:
        """All keys, newest first, from memory."""
        return all_described(self.parts.administration.keyring.keys, self.parts.clock())


def _lacking(
    live: Iterable[DescribedVerifier], keys: Iterable[DescribedKey], alg: SigningAlgorithm
) -> tuple[str, ...]:
    """The names of those that lack the next key of `alg`."""
    kids = {key.kid for key in keys if key.alg == alg}
    return names_of(each for each in live if each.missing_kid in kids)


def _by_algorithm(
    keys: Sequence[DescribedKey],
) -> Iterator[tuple[SigningAlgorithm, list[DescribedKey]]]:
    """Of each algorithm the keys that count, and the newest of those that ended."""
    for alg in sorted({key.alg for key in keys}):
        ours = [key for key in keys if key.alg == alg]
        ended = [key for key in ours if key.state is KeyState.DESTROYED][:_ENDED]
        yield alg, [key for key in ours if key.state is not KeyState.DESTROYED or key in ended]
