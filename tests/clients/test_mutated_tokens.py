"""No mutated token is accepted. A second implementation of the rules decides: the test's own."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.builders import URL, Deployment
from tests.clients.presenting import Presenting, signed
from tests.trusting import CLUSTER, POD, OtherIssuer, trust, trusted

POD_CLAIM = {"namespace": "prod", "pod": {"name": "web-0", "restarts": 1, "labels": ["a", 1.5]}}
WANTED = {"kubernetes.io": POD_CLAIM, "tier": None, "ready": True}
SPELLINGS = [
    str.upper,
    str.title,
    lambda text: f"{text}/",
    lambda text: f"{text} ",
    lambda text: f"{text}\0",
    lambda text: text[:-1],
    lambda text: text.replace("w", "\uff57"),
    lambda text: unicodedata.normalize("NFD", f"{text}é"),
]
ANY = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 1.0, 1.5, "1", "true", "", [], {}, 2**63, 10**400]),
    st.sampled_from([URL, POD, CLUSTER, [URL], [POD], [URL, "x"], ["x"], [URL, 1], "prod"]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
MANY = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

pytestmark = [pytest.mark.parametrize("database_kind", ["sqlite"]), pytest.mark.slow]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values inside."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    if isinstance(value, list):
        items = list(enumerate(value))
    return [path, *(found for key, each in items for found in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at the path."""
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@st.composite
def near(draw: st.DrawFn, value: Any) -> Any:
    """A value that a careless comparison might take for `value`; sometimes the value itself."""
    if isinstance(value, str) and draw(st.booleans()):
        return draw(st.sampled_from(SPELLINGS))(value)
    wrapped = st.sampled_from([value, [value], {"value": value}, json.dumps(value)])
    return draw(st.one_of(wrapped, ANY))


@st.composite
def mutated(draw: st.DrawFn, claims: dict[str, Any]) -> dict[str, Any]:
    """The claims with some values changed, left out or added at any depth."""
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(places(claims)[1:]))
        old = claims
        for key in path:
            old = old[key]
        claims = replaced(claims, path, draw(near(old)))
    dropped = draw(st.none() | st.sampled_from(sorted(claims)))
    added = draw(st.dictionaries(st.sampled_from(["extra", "jti", "azp"]), ANY, max_size=1))
    return {name: value for name, value in claims.items() if name != dropped} | added


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def is_right(claims: dict[str, Any], at: float) -> bool:
    """Whether a token with these claims authenticates the client `strict`."""

    def within(name: str, first: float, last: float) -> bool:
        value = claims.get(name)
        return type(value) in {int, float} and first < value <= last

    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return (
        claims.get("iss") == CLUSTER
        and claims.get("sub") == POD
        and all(isinstance(each, str) for each in audiences)
        and URL in audiences
        and within("exp", at, 253_370_764_799)
        and all(
            claims.get(name) is None or within(name, float("-inf"), at + 10)
            for name in ("iat", "nbf")
        )
        and all(name in claims and same(claims[name], WANTED[name]) for name in WANTED)
    )


@pytest.fixture
def cluster(deployment: Deployment) -> OtherIssuer:
    cluster = OtherIssuer.new(alg="ES256")
    trusted(deployment, cluster)
    deployment.client("strict", trusts=[trust(claims=WANTED)])
    return cluster


@MANY
@given(data=st.data())
def test_exactly_the_claims_of_the_trust_are_accepted(
    deployment: Deployment, cluster: OtherIssuer, data: st.DataObject
):
    presenting = Presenting(deployment)
    claims = data.draw(mutated(presenting.claims(**WANTED)))
    accepted = presenting.accepts(signed(cluster, claims, kid="c1"), "strict")
    assert accepted is is_right(claims, deployment.clock().timestamp())


@MANY
@given(place=st.floats(0, 1, exclude_max=True), by=st.integers(1, 63))
@example(place=0.0, by=1)
def test_a_token_of_which_one_character_was_changed_is_refused(
    deployment: Deployment, cluster: OtherIssuer, place: float, by: int
):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    presenting = Presenting(deployment)
    token = signed(cluster, presenting.claims(**WANTED), kid="c1")
    position = int(place * len(token))
    old = token[position]
    new = "A" if old == "." else alphabet[(alphabet.index(old) + by) % len(alphabet)]
    assert not presenting.accepts(token[:position] + new + token[position + 1 :], "strict")


@MANY
@given(parts=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5))
def test_parts_of_several_tokens_make_no_other_token(
    deployment: Deployment, cluster: OtherIssuer, parts: list[tuple[int, int]]
):
    """One of the right pod, one of another and one of a key that nobody trusts."""
    presenting = Presenting(deployment)
    claims = presenting.claims(**WANTED)
    tokens = [
        signed(cluster, claims, kid="c1"),
        signed(cluster, {**claims, "sub": "other"}, kid="c1"),
        signed(OtherIssuer.new(alg="ES256"), claims, kid="c1"),
    ]
    made = ".".join(tokens[token].split(".")[part] for token, part in parts)
    assert presenting.accepts(made, "strict") is (made == tokens[0])
