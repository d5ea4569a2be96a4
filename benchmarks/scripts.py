"""The requests of a load, as scripts for wrk."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.builders import Credentials


@dataclass(frozen=True)
class Ask:
    """One request."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post(path: str, client: Credentials, **form: str) -> Ask:
    """A form from a client that authenticates by `client_secret_basic`."""
    pair = f"{client.client_id}:{client.client_secret}"
    basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return Ask(path, "POST", FORM | basic, urlencode(form))


def in_turn(asks: Iterable[Ask]) -> str:
    """Each request in turn, on any free connection; built once, before the load."""
    lines = "\n".join(f"  asks[#asks + 1] = {_format(ask)}" for ask in asks)
    return f"""
local asks, i = {{}}, 0
init = function(args)
{lines}
end
request = function()
  i = i % #asks + 1
  return asks[i]
end
"""


def refreshing(path: str, client: Credentials, tokens: Iterable[str]) -> str:
    """Each refresh token is used once, and its successor later.

    One more of the `tokens` than connections is enough: wrk makes a request to see whether it can,
    and does not send it. Should they run out, a request is refused, which counts as an error.
    """
    ask = post(path, client)
    kept = ",".join(f'"{token}"' for token in tokens)
    return f"""
local tokens = {{{kept}}}
local headers = {_table(ask.headers)}
request = function()
  local token = table.remove(tokens, 1) or "none"
  return wrk.format("POST", "{path}", headers, "grant_type=refresh_token&refresh_token=" .. token)
end
response = function(status, headers, body)
  local token = body:match('"refresh_token": ?"([^"]+)"')
  if token then tokens[#tokens + 1] = token end
end
"""


def each_once(ask: Ask, values: Iterable[str], header: str | None = None) -> str:
    """The request with each of the values, in turn, at the end of its form, or as that header.

    Should they run out, requests are refused: errors. They are one text, since a function in Lua
    may have only so many constants.
    """
    kept = " ".join(values)
    place = "form = form .. value" if header is None else f'headers["{header}"] = value'
    return f"""
local values, i = {{}}, 0
local headers = {_table(ask.headers)}
init = function(args)
  for each in ([[{kept}]]):gmatch("%S+") do values[#values + 1] = each end
end
request = function()
  i = i + 1
  local form, value = "{ask.body}", values[i] or "none"
  {place}
  return wrk.format("POST", "{ask.path}", headers, form)
end
"""


def _format(ask: Ask) -> str:
    words = (_text(ask.method), _text(ask.path), _table(ask.headers), _text(ask.body))
    return f"wrk.format({', '.join(words)})"


def _table(headers: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"[{_text(name)}] = {_text(headers[name])}" for name in headers) + "}"


def _text(text: str) -> str:
    """The text as a Lua string, which is the JSON string for these characters."""
    assert text.isascii()
    assert text.isprintable()
    return json.dumps(text)
