"""`/console/keys`: the signing keys, to rotate and to revoke; and verifiers, which hold them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.errors import NotFound
from issuer.keys.described import DescribedKey, all_described
from issuer.keys.schedule import KeyState
from issuer.operations import commands
from issuer.verifiers.known_verifiers import DescribedVerifier, VerifiersLackKey
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.charts import timeline
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import PAGE, Listing

READ, WRITE = "issuer:keys:read", "issuer:keys:write"
READ_VERIFIERS = "issuer:verifiers:read"
_ENDED = 5  # keys of an algorithm that neither sign nor verify any more
_TYPED = 8  # characters of the id of a key
_MOST_NAMED = 20  # verifiers
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


class KeysScreen(ConsoleScreen):
    """`?rotate=ALG` and `?revoke=KID` ask before it is done, of somebody who signed in just now."""

    PATH = "/console/keys"
    LABEL = "Keys"
    READ, WRITE = READ, WRITE
    KEEPS_FORMS = False  # the question is asked again, which says what ends
    PARAMETERS = (ROTATE, REVOKE)

    def show(self) -> Response:
        for do in self.PARAMETERS:
            if do in self.visit.query:
                return self._ask(do, self.visit.query[do])
        return self._page()

    def act(self) -> Response:
        do = REVOKE if self.form.get("do") == REVOKE else ROTATE
        key, expected = self._choice(do, self.form.get(do, ""))
        typed = self.form.get("typed", "").strip()
        force = self.form.get(FORCE) == "yes"
        if not (typed.startswith(expected) and key.startswith(typed)):
            return self._ask(do, key, wrong=f"Type {expected} to confirm.", force=force)
        if do == REVOKE:
            return self._revoke(key)
        try:
            return self._rotate(key, force=force)
        except VerifiersLackKey:
            return self._ask(do, key, refusal=REFUSED, force=True)

    def _page(self) -> Response:
        """Algorithms are `rotatable` whose next key may sign already.

        `live_verifiers` is None for a person who may not read verifiers. `lacking` has the names of
        those that lack the next key; such a person sees them only before a rotation.
        """
        now, keys = self.parts.clock(), self._keys()
        reads_verifiers = self.operator.holds(READ_VERIFIERS)
        live = self._live_verifiers() if reads_verifiers else []
        return self.answer(
            "keys",
            "Keys",
            may_change=self.operator.holds(WRITE),
            live_verifiers=len(live) if reads_verifiers else None,
            lacking={alg: _lacking(live, keys, alg) for alg in {key.alg for key in keys}},
            commands=(commands.KEYS,),
            timelines=[timeline(alg, ours, now) for alg, ours in _by_algorithm(keys)],
            rotatable={
                key.alg for key in keys if key.state is KeyState.ANNOUNCED and key.ready_at <= now
            },
        )

    def _ask(
        self, do: str, key: str, *, wrong: str = "", refusal: str = "", force: bool = False
    ) -> Response:
        self.operator.require(WRITE)
        key, typed = self._choice(do, key)
        if not self.site.is_fresh(self.operator.session):
            return self.sign_in_first({do: key})
        ask = partial(self.ask, typed=typed, wrong=wrong, refusal=refusal)
        fields = {"do": do, do: key}
        if do == REVOKE:
            why = _ENDS + _ENDS_ACTIVE * (self._key(key).state is KeyState.ACTIVE)
            return ask(f"Revoke the key {key[:_TYPED]}…?", why, "Revoke key", fields)
        lacking = self._lacking_next(SigningAlgorithm(key))
        if force and lacking:
            what, fields = f"Force the rotation of the {key} keys?", {**fields, FORCE: "yes"}
            return ask(what, _FORCES, "Force rotation", fields, points=lacking)
        why = _ROTATES + _WAITS * bool(lacking)
        return ask(f"Rotate the {key} keys?", why, "Rotate keys", fields, points=lacking)

    def _lacking_next(self, alg: SigningAlgorithm) -> tuple[str, ...]:
        """Live verifiers without the next key, by name, and those that may lack it."""
        lacking = _lacking(self._live_verifiers(), self._keys(), alg)
        with self.operator.work(READ) as work:
            left_out = work.verifiers.left_out_just_now()
        return (*lacking, f"{left_out}, and may lack it") if left_out else lacking

    def _rotate(self, name: str, *, force: bool) -> Response:
        alg, operator = SigningAlgorithm(name), self.operator
        with self.parts.administration.changing_keys(operator.actor, operator.held) as work:
            work.verifiers.rotate_keys(alg, force=force)
        command = commands.rotate_keys(alg, force=force)
        return self.finished(f"The next {alg} key signs, another is announced.", command)

    def _revoke(self, kid: str) -> Response:
        operator = self.operator
        with self.parts.administration.changing_keys(operator.actor, operator.held) as work:
            warning = work.revoke_key(kid).left_valid
        done = f"The key {kid} is revoked. {warning}".rstrip()
        return self.finished(done, commands.revoke_key(kid))

    def _live_verifiers(self) -> list[DescribedVerifier]:
        with self.operator.work(READ) as work:
            return [each for each in work.verifiers.all() if each.live]

    def _choice(self, do: str, name: str) -> tuple[str, str]:
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
    return _names_of(each for each in live if each.missing_kid in kids)


def _by_algorithm(
    keys: Sequence[DescribedKey],
) -> Iterator[tuple[SigningAlgorithm, list[DescribedKey]]]:
    """The keys that count by algorithm, and the newest of those that ended."""
    for alg in sorted({key.alg for key in keys}):
        ours = [key for key in keys if key.alg == alg]
        ended = [key for key in ours if key.state is KeyState.DESTROYED][:_ENDED]
        yield alg, [key for key in ours if key.state is not KeyState.DESTROYED or key in ended]


class VerifiersScreen(ConsoleScreen):
    PATH = "/console/keys/verifiers"
    READ = READ_VERIFIERS
    PARAMETERS = ("after",)

    def show(self) -> Response:
        with self.operator.work(READ_VERIFIERS) as work:
            found, left_out = work.verifiers.all(), work.verifiers.left_out()
        return self.answer(
            "verifiers",
            "Verifiers",
            commands=(commands.VERIFIERS,),
            listing=self._listing(found, self.visit.query.get("after", "")),
            links_audiences=self.operator.holds(AUDIENCE.read),
            left_out=str(left_out or ""),
        )

    def _listing(self, found: list[DescribedVerifier], after: str) -> Listing[DescribedVerifier]:
        following = [each for each in found if each.key > after]
        items, url = following[:PAGE], self.site.base + self.PATH
        more = len(following) > PAGE
        return Listing(
            tuple(items),
            _count(found),
            next_url=f"{url}?{urlencode({'after': items[-1].key})}" if more else "",
            first_url=url if after else "",
        )


def _names_of(verifiers: Iterable[DescribedVerifier]) -> tuple[str, ...]:
    """Audience and address, once for all processes there; the first few, and how many more."""
    processes = Counter(each.name for each in verifiers)
    names = [f"{name}, {n} processes" if n > 1 else name for name, n in processes.items()]
    if len(names) > _MOST_NAMED:
        return (*names[:_MOST_NAMED], f"and {len(names) - _MOST_NAMED:,} more")
    return tuple(names)


def _count(found: list[DescribedVerifier]) -> str:
    live = [each for each in found if each.live]
    lacking = sum(each.missing_kid is not None for each in live)
    without = f", {lacking:,} without the next key" if lacking else ""
    return f"{len(found):,} in the last day, {len(live):,} live{without}"
