"""What an audience is."""

from datetime import datetime

from issuer.fields import Algorithm, AudienceId, Fields, Label, Lifetime, Version
from issuer.vocabulary import SigningAlgorithm


class AudienceFields(Fields):
    """What an operator says about an audience. `signing_alg` unset means the house's first."""

    id: AudienceId
    name: Label = ""
    signing_alg: Algorithm | None = None
    access_token_ttl: Lifetime | None = None
    include_roles: bool = False


class Audience(AudienceFields):
    """An audience on record. Until `alg_changes_at` it was signed for with `previous_alg`."""

    previous_alg: SigningAlgorithm | None
    alg_changes_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: Version
