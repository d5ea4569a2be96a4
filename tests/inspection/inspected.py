"""The result of an inspection, as one stores it."""

from typing import Any

from issuer.database.tables import InspectionRow
from tests.builders import Deployment


def inspected(deployment: Deployment, audience_id: str = "my-os", **families: Any) -> None:
    """The AgentOS of the audience has these `agents`, `teams` and `workflows`, by id and name."""
    components = {
        family: [{"id": id_, "name": name} for id_, name in names.items()]
        for family, names in families.items()
    }
    row = InspectionRow(
        audience_id=audience_id,
        inspected_at=deployment.services.administration.clock(),
        url="https://os.example",
        components={"agno_version": "3.1.0", "interfaces": [], **components},
        findings=[],
    )
    with deployment.services.database.transaction() as session:
        session.merge(row)
