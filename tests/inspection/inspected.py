"""The result of an inspection, as one stores it."""

from collections.abc import Sequence
from typing import Any

from issuer.composition import Composition
from issuer.database.tables import InspectionRow
from tests.builders import Deployment


def inspected(deployment: Deployment, audience_id: str = "my-os", **more: Any) -> None:
    """As `inspected_in` has it."""
    inspected_in(deployment.services, audience_id, **more)


def inspected_in(
    services: Composition, audience_id: str = "my-os", exposed: Sequence[str] = (), **families: Any
) -> None:
    """The AgentOS of the audience has these `agents`, `teams` and `workflows`, by id and name.

    It breaks the rules `exposed`, each of high severity.
    """
    about = {
        "severity": "high",
        "evidence": "GET /agents without a token: 200",
        "remedy": "Attach.",
    }
    components = {
        family: [{"id": id_, "name": name} for id_, name in names.items()]
        for family, names in families.items()
    }
    row = InspectionRow(
        audience_id=audience_id,
        inspected_at=services.administration.clock(),
        url="https://os.example",
        components={"agno_version": "3.1.0", "interfaces": [], **components},
        findings=[{"rule": rule, **about} for rule in exposed],
    )
    with services.database.transaction() as session:
        session.merge(row)
