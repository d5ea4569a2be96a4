"""`/console/keys`: the life of the signing keys; rotate them, or revoke one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from issuer.errors import NotFound
from issuer.keys.described import DescribedKey, all_described
from issuer.keys.signing_key import KeyState
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.key_timeline import KeyTimeline, timeline
from issuer.web.console.views import ConsolePage
from issuer.web.visit import Visit

READ, WRITE = "issuer:keys:read", "issuer:keys:write"
_LIST = "/console/keys"
_ENDED = 5  # keys of an algorithm that neither sign nor verify any more
_TYPED = 8  # characters of the id of a key
_ROTATE, _REVOKE = "rotate", "revoke"
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


@dataclass(frozen=True, kw_only=True)
class KeysPage(ConsolePage):
    """`rotatable` are algorithms whose next key may sign already."""

    TEMPLATE = "console/keys.html"
    title = "Keys"
    timelines: tuple[KeyTimeline, ...]
    rotatable: frozenset[SigningAlgorithm]


class KeysEndpoint(ConsoleEndpoint):
    """`?rotate=ALG` and `?revoke=KID` ask before it is done, of somebody who signed in just now."""

    PATH = _LIST
    READ = READ
    PARAMETERS = (_ROTATE, _REVOKE)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        for do in self.PARAMETERS:
            if do in visit.query:
                return self._question(operator, visit, do, visit.query[do])
        return self._page(operator, visit)

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        do = _REVOKE if form.get("do") == _REVOKE else _ROTATE
        key, expected = self._chosen(do, form.get(do, ""))
        typed = form.get("typed", "").strip()
        is_typed = typed.startswith(expected) and key.startswith(typed)
        if not (self.site.is_fresh(operator.session) and is_typed):
            return self._question(operator, visit, do, key, f"Type {expected} to confirm.")
        return (self._revoke if do == _REVOKE else self._rotate)(operator, key)

    def _page(self, operator: Operator, visit: Visit) -> Response:
        now = self.parts.clock()
        page = KeysPage(
            frame=self.frame(operator, visit),
            may_change=operator.holds(WRITE),
            commands=(self.commands.command(("key", "list"), "GET", ("keys",)),),
            timelines=tuple(timeline(alg, keys, now) for alg, keys in _by_algorithm(self._keys())),
            rotatable=frozenset(
                key.alg
                for key in self._keys()
                if key.state is KeyState.ANNOUNCED and key.ready_at <= now
            ),
        )
        return self.site.pages.answer(page)

    def _question(
        self, operator: Operator, visit: Visit, do: str, key: str, error: str = ""
    ) -> Response:
        operator.require(WRITE)
        key, typed = self._chosen(do, key)
        if not self.site.is_fresh(operator.session):
            return self.sign_in_first(visit, {do: key})
        what, why = f"Rotate the {key} keys?", _ROTATES
        if do == _REVOKE:
            is_active = self._key(key).state is KeyState.ACTIVE
            what, why = f"Revoke the key {typed}…?", _ENDS + _ENDS_ACTIVE * is_active
        button = f"{do.capitalize()} {'key' if do == _REVOKE else 'keys'}"
        fields = {"do": do, do: key}
        return self.ask(operator, visit, what, why, button, fields, typed=typed, error=error)

    def _rotate(self, operator: Operator, name: str) -> Response:
        operator.require(WRITE)
        alg = SigningAlgorithm(name)
        self.parts.administration.rotate_keys(alg, operator.actor, operator.held)
        command = self.commands.command(
            ("key", "rotate", "--alg", alg), "POST", ("keys", "rotate"), query=f"alg={alg}"
        )
        return self.finished(_LIST, f"The next {alg} key signs, another is announced.", command)

    def _revoke(self, operator: Operator, kid: str) -> Response:
        operator.require(WRITE)
        with self.parts.administration.changing_keys(operator.actor, operator.held) as work:
            work.keys.revoke(kid)
        cli = ("key", "revoke", *(["--"] if kid.startswith("-") else []), kid)
        command = self.commands.command(cli, "POST", ("keys", kid, "revoke"))
        return self.finished(_LIST, f"The key {kid} is revoked.", command)

    def _chosen(self, do: str, name: str) -> tuple[str, str]:
        """The algorithm or the id of the key, and what of it must be typed; `NotFound`."""
        if do == _REVOKE:
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


def _by_algorithm(
    keys: Sequence[DescribedKey],
) -> Iterator[tuple[SigningAlgorithm, list[DescribedKey]]]:
    """Of each algorithm the keys that count, and the newest of those that ended."""
    for alg in sorted({key.alg for key in keys}):
        ours = [key for key in keys if key.alg == alg]
        ended = [key for key in ours if key.state is KeyState.DESTROYED][:_ENDED]
        yield alg, [key for key in ours if key.state is not KeyState.DESTROYED or key in ended]
