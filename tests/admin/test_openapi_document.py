"""The description of the admin API in `/openapi.json`, for readers and generated clients."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders import Deployment

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def document(deployment: Deployment) -> dict[str, Any]:
    return deployment.http.get("/openapi.json").json()


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        if "/admin/v1/" in path:
            yield from methods.values()


def test_the_document_has_an_introduction(document: dict[str, Any]):
    for term in ("/admin/v1", "audience", "If-Match", "next_cursor", "application/problem+json"):
        assert term in document["info"]["description"]


def test_operation_ids_are_short_and_unique(document: dict[str, Any]):
    ids = [operation["operationId"] for operation in operations(document)]
    assert {"list_roles", "create_client", "assign_user_role", "revoke_user_tokens"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert max(map(len, ids)) <= 25


def test_every_error_is_described_as_problem_details_only(document: dict[str, Any]):
    for operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "4":
                (media_type,) = response["content"]
                assert media_type == "application/problem+json"
                schema = response["content"][media_type]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "more_errors" in document["components"]["schemas"]["Problem"]["properties"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_dry_run_may_answer_with_a_question_where_the_operation_has_an_answer(
    document: dict[str, Any],
):
    finish = document["paths"]["/admin/v1/clients/{client_id}/rotation/finish"]["post"]
    (content,) = finish["responses"]["200"]["content"].values()
    names = {each["$ref"].rpartition("/")[2] for each in content["schema"]["anyOf"]}
    assert names == {"FinishedRotation", "Tried"}


def test_a_read_can_be_conditional(document: dict[str, Any]):
    read = document["paths"]["/admin/v1/roles/{name}"]["get"]
    assert "304" in read["responses"]
    assert "If-None-Match" in {parameter["name"] for parameter in read["parameters"]}
