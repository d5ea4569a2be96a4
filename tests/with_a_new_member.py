"""Clients have the member `contact` here, which no interface names: see `test_a_new_member.py`."""

import pytest

from tests.builders import URL, Deployment
from tests.cli.driver import Cli
from tests.conftest import Initialized
from tests.drivers import AdminApi, TokenDriver
from tests.manifest.declaring import declare, exported
from tests.web.console.conftest import person

PAGE = "/console/clients/app"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_every_interface_writes_what_the_others_read(
    deployment: Deployment, opened: Initialized, token_endpoint: TokenDriver
):
    deployment.client("app")
    admin = AdminApi(deployment.http, token_endpoint.client_credentials(deployment.admin).token)
    settings = opened.settings
    database = {"ISSUER_DATABASE_URL": settings.effective_database_url}
    cli = Cli({"ISSUER_URL": URL, "ISSUER_DATA_DIR": str(settings.data_dir), **database})

    assert admin.get("/clients/app").json()["contact"] == ""
    assert admin.patch("/clients/app", contact="by REST").status_code == 200
    assert cli.json("client", "show", "app")["contact"] == "by REST"
    cli.done("client", "update", "app", "--contact", "by command")
    browser = person(deployment, "boss", ["issuer:admin"])
    form = browser.get(PAGE, edit="yes")
    assert form.form(PAGE).fields["contact"] == "by command"
    others = {"audiences": "my-os", "token_endpoint_auth_method": "client_secret_basic"}
    saved = browser.submit(form, PAGE, contact="in the console", **others, do="save")
    assert "The client app is changed." in browser.follow(saved).text
    text = exported(deployment.services)
    assert "contact: in the console" in text
    declare(deployment.services, text.replace("in the console", "in a manifest"))
    assert admin.get("/clients/app").json()["contact"] == "in a manifest"
    record = deployment.services.tokens.directory.load_client("app")
    assert getattr(record, "contact", None) == "in a manifest"
