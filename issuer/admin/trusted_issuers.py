"""`/trusted-issuers`: others whose tokens authenticate clients here."""

from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.routes import PRIVILEGED
from issuer.trusted_issuers import TRUSTED_ISSUER

_NOTE = f"Fetching keys from private addresses requires issuer:admin. {PRIVILEGED}"

router = collection_router(
    TRUSTED_ISSUER,
    Descriptions(
        list="List trusted issuers in order of id.",
        create="Trust another issuer. By itself this gives nobody anything: the `trusts` of a"
        " client say which of its tokens authenticate that client.",
        read="Read a trusted issuer.",
        patch="Change a trusted issuer. `disabled` takes effect within a second.",
        delete="Delete a trusted issuer on which no client relies.",
        cascade="Remove the trusts of clients that name it.",
    ),
    note=_NOTE,
    note_of_create=_NOTE,
)
