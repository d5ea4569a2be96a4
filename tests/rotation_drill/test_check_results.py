"""How the answers of a verifier are interpreted."""

from issuer.rotation_drill import checks
from issuer.rotation_drill.checks import Statuses
from tests.rows import rows

URL = "https://os.example/agents"


@rows("accepted", [200, 204, 403, 404, 405])
def test_a_verifier_that_accepts_both_keys_passes(accepted: int):
    """A 403 or 404 concerns rights or the resource, not the token."""
    result = checks.verifier(URL, Statuses(accepted, accepted, 401))
    assert result.ok
    statuses = (result.old, result.new, result.forged)
    assert (result.kind, statuses) == ("verifier", (accepted, accepted, 401))
    assert result.saw.startswith("accepts both keys and refuses a forged token")
    assert ("lacks the scope" in result.saw) is (accepted == 403)


@rows(
    ("statuses", "saw"),
    [
        (Statuses(200, 401, 401), "refuses tokens of the new key"),
        (Statuses(403, 401, 401), "refuses tokens of the new key"),
        (Statuses(200, 403, 401), "answers tokens of the new key differently"),
        (Statuses(401, 401, 401), "refuses a valid token of the old key"),
        (Statuses(401, 200, 401), "refuses a valid token of the old key"),
        (Statuses(200, 200, 200), "does not verify"),
        (Statuses(403, 403, 403), "does not verify"),
        (Statuses(200, 200, 403), "answers a forged token with 403, not 401"),
        (Statuses(302, 302, 302), "answers 302, which neither accepts nor refuses"),
        (Statuses(200, 502, 401), "answers 502, which neither accepts nor refuses"),
        (Statuses(200, 200, 429), "answers 429, which neither accepts nor refuses"),
        (Statuses(999, 999, 401), "answers 999, which neither accepts nor refuses"),
    ],
)
def test_a_fault_is_named(statuses: Statuses, saw: str):
    result = checks.verifier(URL, statuses)
    assert not result.ok
    assert saw in result.saw
