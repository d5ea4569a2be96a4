"""`issuer.client` runs in processes of others: it must import nothing but httpx."""

import subprocess

import pytest

from tests.agentos_core.test_importing import BLOCKER, run

# PyJWT and cryptography as well, which a client with a secret does without.
HTTPX_ALONE = BLOCKER.replace(', "jwt"}', "}").replace('{"cryptography", ', "{")

CALLING = """
import httpx
from issuer.client import TokenClient

ISSUER = "https://id.example"

def issuer(request):
    if "well-known" in request.url.path:
        return httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": ISSUER + "/token"})
    return httpx.Response(200, json={"access_token": "a-token", "token_type": "Bearer"})

client = TokenClient(
    ISSUER, "ci-bot", client_secret="secret", transport=lambda: httpx.MockTransport(issuer)
)
def service(request):
    return httpx.Response(200, text=request.headers["Authorization"])

with httpx.Client(transport=httpx.MockTransport(service), auth=client.auth()) as http:
    print(http.get("https://os.example").text)
"""


def test_it_imports_no_other_package_of_ours_and_no_other_library():
    unwanted = "jwt cryptography sqlalchemy fastapi starlette authlib agno pydantic typer"
    loaded = run("import issuer.client, issuer.client.agno, sys; print(*sys.modules)").split()
    assert not {name.split(".")[0] for name in loaded} & set(unwanted.split())
    ours = {name for name in loaded if name.startswith("issuer.")}
    assert not [name for name in ours if not name.startswith("issuer.client")]


def test_httpx_is_all_that_a_client_with_a_secret_needs():
    assert run(HTTPX_ALONE + CALLING) == "Bearer a-token"


@pytest.mark.parametrize("library", ["jwt", "cryptography"])
def test_the_blocker_blocks(library: str):
    with pytest.raises(subprocess.CalledProcessError):
        run(f"{HTTPX_ALONE}import {library}")
