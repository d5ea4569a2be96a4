"""The order of tests, and which of them share a process, when several processes run them."""

import os

import pytest

JOURNEYS = "journeys"
# Fixtures that choose the release of the servers.
RELEASES = ("adapted_release", "release")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a journey mostly waits for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups with a slow test first, journeys before all: none runs alone at the end."""
    groups = {item: group_of(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    slow = {group for item, group in groups.items() if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (groups[item] not in slow, JOURNEYS not in item.path.parts))


def group_of(item: pytest.Item) -> str:
    """A module, or the tests of one release in a folder, which share started servers."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    release = next((str(parameters[name]) for name in RELEASES if name in parameters), "")
    where = item.path.parent if release else item.path
    return f"{where.relative_to(item.config.rootpath).as_posix()} {release}".strip()
