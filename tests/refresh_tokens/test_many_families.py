"""Very many families may end at once, without a long transaction."""

from sqlalchemy import func, select

from issuer.composition.background import delete_expired
from issuer.database.tables import RefreshFamilyRow, RevokedPrincipalRow
from issuer.vocabulary import MAX_TOKEN, TOKEN_RETENTION
from tests.builders import Deployment
from tests.directory.test_directory import statements
from tests.drivers import TokenDriver
from tests.oauth.refreshing import families, sign_in


def rows(deployment: Deployment, table: type[RefreshFamilyRow | RevokedPrincipalRow]) -> int:
    with deployment.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_all_families_of_a_client_end_at_once_and_are_deleted_later(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Otherwise a client with a million users would lock the database for as long as that takes."""
    alice = sign_in(deployment, token_endpoint)
    others = [alice.sign_in() for _ in range(3)]
    with statements(deployment) as seen, deployment.changing() as work:
        work.clients.revoke_tokens("app")
    assert not [each for each in seen if "refresh_families" in each]
    assert families(deployment) == 0
    for ended in (alice.answer, *others):
        assert alice.refresh(ended.refresh_token).error == "invalid_grant"
    later = alice.sign_in()
    assert rows(deployment, RefreshFamilyRow) == 5
    deployment.services.tokens.refresh_tokens.delete_expired()
    assert rows(deployment, RefreshFamilyRow) == 1
    assert alice.refresh(later.refresh_token).status == 200


def test_a_family_is_deleted_before_the_entry_that_ended_it(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Even if no process ran for a day; otherwise it would be active again."""
    alice = sign_in(deployment, token_endpoint)
    with deployment.changing() as work:
        work.users.revoke_tokens(alice.user_id)
    deployment.wait(MAX_TOKEN + 2 * TOKEN_RETENTION)
    services = deployment.services
    delete_expired(services.foundation, services.tokens, services.people)
    assert rows(deployment, RefreshFamilyRow) == rows(deployment, RevokedPrincipalRow) == 0
    assert alice.refresh().error == "invalid_grant"
