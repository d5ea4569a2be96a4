"""Which server sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, with defaults."""

import os
import socket
from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource

from issuer import __version__

_SERVICE_NAME, _INSTANCE = "service.name", "service.instance.id"


def server_resource(environment: Mapping[str, str]) -> Resource:
    """Each process is an instance of its own: a sum of counters of several would go down."""
    given = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {pair.partition("=")[0].strip() for pair in given.split(",")}
    attributes = {"service.version": __version__}
    if "OTEL_SERVICE_NAME" not in environment and _SERVICE_NAME not in named:
        attributes[_SERVICE_NAME] = "agentos-issuer"
    if _INSTANCE not in named:
        attributes[_INSTANCE] = f"{socket.gethostname()}:{os.getpid()}"
    return Resource.create(attributes)
