"""Which tests are slow, their order, and which share a process when several processes run them."""

import os

import pytest

JOURNEYS = "journeys"
# Fixtures that choose the release of the servers.
RELEASES = ("adapted_release", "release")
# Fixtures that choose the database.
DATABASES = ("database_kind", "issuer", "shared")

# With PostgreSQL these tests are slow: what they are about does the same with either database.
ON_POSTGRESQL_SLOW = (
    "tests/admin/",
    "tests/authority/test_accounts_elsewhere.py",
    "tests/authority/test_waiting_for_rights.py",
    "tests/cli/",
    "tests/clients/test_documents.py",
    "tests/journeys/test_generated_requests.py",
    "tests/keys/test_rewrapping.py",
    "tests/mail/test_inviting.py",
    "tests/mail/test_password_reset_pages.py",
    "tests/keys/test_rotating.py",
    "tests/manifest/",
    "tests/oauth/",
    "tests/revocations/test_causes.py",
    "tests/rotation_drill/",
    "tests/sign_in/",
    "tests/test_discovery.py",
    "tests/trusted_issuers/",
    "tests/users/test_usernames.py",
    "tests/web/",
)
# But for those of locks, conflicts and errors, which differ between databases.
ON_POSTGRESQL = (
    "tests/admin/test_concurrent_edits.py",
    "tests/admin/test_long_lists.py",
    "tests/cli/test_database_failures.py",
    "tests/cli/test_init.py",
    "tests/cli/test_migrate.py",
    "tests/cli/test_other_schemas.py",
    "tests/manifest/test_applying.py",
    "tests/manifest/test_surviving_sigkill.py",
    "tests/oauth/test_issuing_after_revocation.py",
    "tests/oauth/test_overload.py",
    "tests/sign_in/test_consents.py",
    "tests/sign_in/test_invitations.py",
    "tests/sign_in/test_sessions.py",
    "tests/sign_in/test_surviving_sigkill.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a journey mostly waits for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # xdist and `-m` read the marks in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups with a slow test first, journeys before all: none runs alone at the end."""
    groups = {item: group_of(item) for item in items}
    slow = {group for item, group in groups.items() if item.get_closest_marker("slow")}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
        if is_slow_on_postgresql(item):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (groups[item] not in slow, JOURNEYS not in item.path.parts))


def is_slow_on_postgresql(item: pytest.Item) -> bool:
    """Whether it repeats on PostgreSQL a test that is not about databases."""
    parameters, path = parameters_of(item), path_of(item)
    repeats = path.startswith(ON_POSTGRESQL_SLOW) and path not in ON_POSTGRESQL
    return repeats and "postgresql" in {parameters.get(name) for name in DATABASES}


def group_of(item: pytest.Item) -> str:
    """A module, or the tests of one release in a folder, which share started servers."""
    parameters = parameters_of(item)
    release = next((str(parameters[name]) for name in RELEASES if name in parameters), "")
    where = path_of(item).rpartition("/")[0] if release else path_of(item)
    return f"{where} {release}".strip()


def path_of(item: pytest.Item) -> str:
    return item.path.relative_to(item.config.rootpath).as_posix()


def parameters_of(item: pytest.Item) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}
