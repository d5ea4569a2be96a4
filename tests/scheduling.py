"""Which tests are slow, their order, and which share a process when several processes run them."""

import os

import pytest

JOURNEYS = "journeys"
# Fixtures that choose the release of the servers.
RELEASES = ("adapted_release", "release")
# Fixtures that choose the database.
DATABASES = ("database_kind", "issuer", "shared")

# Interfaces present what the packages below them do with the database: on PostgreSQL these tests
# are slow. Not in the list are tests of what differs between databases.
ON_POSTGRESQL_SLOW = (
    "tests/admin/test_access.py",
    "tests/admin/test_admission.py",
    "tests/admin/test_client_urls.py",
    "tests/admin/test_explain.py",
    "tests/admin/test_explain_own_api.py",
    "tests/admin/test_manifest.py",
    "tests/cli/test_connection.py",
    "tests/cli/test_manifests.py",
    "tests/cli/test_nouns.py",
    "tests/cli/test_quickstart.py",
    "tests/journeys/test_generated_requests.py",
    "tests/journeys/test_malformed_requests.py",
    "tests/manifest/test_clients_of_people.py",
    "tests/manifest/test_exporting.py",
    "tests/manifest/test_gains_and_losses.py",
    "tests/manifest/test_names.py",
    "tests/manifest/test_planning.py",
    "tests/manifest/test_random_configurations.py",
    "tests/oauth/test_authorization_endpoint.py",
    "tests/oauth/test_client_authentication.py",
    "tests/oauth/test_guessing.py",
    "tests/oauth/test_logout.py",
    "tests/oauth/test_openid.py",
    "tests/oauth/test_private_key_jwt.py",
    "tests/oauth/test_public_clients.py",
    "tests/oauth/test_token_request.py",
    "tests/oauth/test_trusts.py",
    "tests/rotation_drill/",
    "tests/sign_in/test_authorization_request.py",
    "tests/test_discovery.py",
    "tests/web/",
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
    """Whether it repeats on PostgreSQL a test of `ON_POSTGRESQL_SLOW`."""
    parameters = parameters_of(item)
    return path_of(item).startswith(ON_POSTGRESQL_SLOW) and "postgresql" in {
        parameters.get(name) for name in DATABASES
    }


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
