"""Where a client may act for people (RFC 8693), and at which other authorization servers."""

import json
import re
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from issuer.fields.fields import Fields, without_repeats
from issuer.fields.ids import AudienceId
from issuer.fields.json import strict_json
from issuer.resources.resource_type import ItemText
from issuer.trusted_issuers.fields import IssuerUrl, is_trust_domain

MAX_ACT_RULES = 50
MAX_EXTERNAL_AUDIENCES = 50
_MAX_SCOPES = 100
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")  # RFC 3986 §3
_CLIENT_ID = re.compile(r"[ -~]+")  # RFC 6749 appendix A.1
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749 §3.3


def _authorization_server(issuer: str) -> str:
    if is_trust_domain(issuer):
        raise ValueError("must be an https URL: a trust domain issues no tokens for ID-JAGs")
    return issuer


def _resource(text: str) -> str:
    if "#" in text or not _URI.fullmatch(text):
        raise ValueError("must be an absolute URI without a fragment (RFC 8707 §2)")
    return text


def _client_id(text: str) -> str:
    if not _CLIENT_ID.fullmatch(text) or text != text.strip():
        raise ValueError("must be printable ASCII, without spaces at its ends (RFC 6749 §2.2)")
    return text


def _scope(text: str) -> str:
    if not _SCOPE.fullmatch(text):
        raise ValueError("must be printable ASCII without spaces, quotes and backslashes")
    return text


class ActRule(Fields):
    """A client may exchange a person's token for the audience `from` for one for `to`."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_audience: Annotated[AudienceId, Field(alias="from")]
    to_audience: Annotated[AudienceId, Field(alias="to")]


class ExternalResource(Fields):
    """A resource of the authorization server `issuer`, which knows the client as `client_id`.

    For it the client may get ID-JAGs with at most these scopes.
    """

    issuer: Annotated[IssuerUrl, AfterValidator(_authorization_server)]
    resource: Annotated[str, Field(max_length=1024), AfterValidator(_resource)]
    client_id: Annotated[str, Field(max_length=255), AfterValidator(_client_id)]
    scopes: Annotated[
        list[Annotated[str, Field(max_length=255), AfterValidator(_scope)]],
        Field(max_length=_MAX_SCOPES),
        AfterValidator(without_repeats),
    ] = []


def _distinct(resources: list[ExternalResource]) -> list[ExternalResource]:
    if len({(each.issuer, each.resource.removesuffix("/")) for each in resources}) < len(resources):
        raise ValueError("names the same resource of an issuer twice")
    return resources


ActRules = Annotated[
    list[ActRule], Field(max_length=MAX_ACT_RULES), AfterValidator(without_repeats)
]
ExternalResources = Annotated[
    list[ExternalResource], Field(max_length=MAX_EXTERNAL_AUDIENCES), AfterValidator(_distinct)
]


def _rule(text: str) -> object:
    from_audience, _, to_audience = text.partition("=")
    if not (from_audience and to_audience):
        raise ValueError("must be FROM=TO, two audiences")
    return {"from": from_audience, "to": to_audience}


def _external(text: str) -> object:
    try:
        match strict_json(text.encode()):
            case dict() as resource:
                return resource
    except (ValueError, RecursionError):
        pass
    example = '{"issuer": URL, "resource": URI, "client_id": ID, "scopes": [...]}'
    raise ValueError(f"must be a JSON object, such as {example}")


ACT_RULE_TEXT = ItemText(_rule, lambda rule: f"{rule['from']}={rule['to']}")
EXTERNAL_RESOURCE_TEXT = ItemText(_external, partial(json.dumps, ensure_ascii=False))
