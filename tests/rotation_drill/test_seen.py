"""What the answers of a verifier mean."""

import pytest

from issuer.rotation_drill import seen
from issuer.rotation_drill.seen import Statuses

URL = "https://os.example/agents"


@pytest.mark.parametrize("trusted", [200, 204, 403, 404, 405])
def test_a_verifier_that_tells_keys_apart_is_well(trusted: int):
    """Rights, and whether there is such a resource, are another matter."""
    found = seen.verifier(URL, Statuses(trusted, trusted, 401))
    assert found.ok
    assert (found.kind, found.old, found.new, found.forged) == ("verifier", trusted, trusted, 401)
    assert found.saw.startswith("believes both keys and refuses a forged token")
    assert ("lacks the right" in found.saw) is (trusted == 403)


@pytest.mark.parametrize(
    ("statuses", "saw"),
    [
        (Statuses(200, 401, 401), "refuses tokens of the new key"),
        (Statuses(403, 401, 401), "refuses tokens of the new key"),
        (Statuses(200, 403, 401), "treats tokens of the new key unlike"),
        (Statuses(401, 401, 401), "refuses a good token of the old key"),
        (Statuses(401, 200, 401), "refuses a good token of the old key"),
        (Statuses(200, 200, 200), "does not verify"),
        (Statuses(403, 403, 403), "does not verify"),
        (Statuses(200, 200, 403), "answers a forged token with 403, not 401"),
        (Statuses(302, 302, 302), "answers 302, which says nothing"),
        (Statuses(200, 502, 401), "answers 502, which says nothing"),
        (Statuses(200, 200, 429), "answers 429, which says nothing"),
        (Statuses(999, 999, 401), "answers 999, which says nothing"),
    ],
)
def test_what_is_wrong_with_it(statuses: Statuses, saw: str):
    found = seen.verifier(URL, statuses)
    assert not found.ok
    assert saw in found.saw
