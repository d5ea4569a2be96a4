"""The order of the tests, and which run in one process."""

import pytest


def test_the_tests_of_a_module_run_in_one_process(request: pytest.FixtureRequest, worker_id: str):
    """Each process would start the servers of the module again."""
    if worker_id == "master":
        pytest.skip("there is one process")
    assert request.node.nodeid.endswith("@tests/test_scheduling.py")
