"""For each scope, a request that requires exactly it."""

import pytest

from issuer.catalogue import scopes
from issuer.catalogue.decision import decide
from issuer.catalogue.entries import example_of

# Only together with another scope.
_NEVER_ALONE = {"routines:write"}


@pytest.mark.parametrize("scope", [each.scope for each in scopes()])
def test_a_scope_has_a_request_that_requires_it(scope: str):
    example = example_of(scope)
    if scope in _NEVER_ALONE:
        assert example is None
    else:
        assert example is not None
        assert decide([], *example).smallest_addition == (scope,)


@pytest.mark.parametrize("scope", ["agents:web:run", "teams:web:read", "workflows:w%2:run"])
def test_a_scope_of_one_id_has_a_request_for_that_id(scope: str):
    example = example_of(scope)
    assert example is not None
    assert decide([], *example).smallest_addition == (scope,)


@pytest.mark.parametrize("text", ["reports", "own:things", "a:b:c:d", "issuer:x", ""])
def test_a_name_that_nothing_requires_has_none(text: str):
    assert example_of(text) is None
