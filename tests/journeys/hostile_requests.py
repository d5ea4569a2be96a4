"""Requests that no client of ours would send, each made from a seed."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import quote, urlencode

from tests.journeys import hostile_values as values
from tests.journeys.hostile_values import CRLF, NASTY

FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True)
class HostileRequest:
    """Bytes for a connection.

    If `unfinished`, a server may wait for more, and none will come. If `abandoned`, who sent them
    is gone before any answer.
    """

    wire: bytes = field(repr=False)
    unfinished: bool = False
    abandoned: bool = False


@dataclass
class Draft:
    """A token request that somebody is about to spoil."""

    form: dict[str, str]
    headers: list[tuple[bytes, bytes]]
    method: bytes = b"POST"
    target: bytes = b"/oauth2/token"
    body: bytes | None = None  # in place of the form
    length: bytes | None = None  # in place of the true one
    chunks: list[bytes] | None = None  # in place of the body
    unfinished: bool = False

    def finished(self) -> HostileRequest:
        body = urlencode(self.form).encode() if self.body is None else self.body
        length = str(len(body)).encode() if self.length is None else self.length
        framing = (b"Content-Length", length)
        if self.chunks is not None:
            body, framing = b"".join(self.chunks), (b"Transfer-Encoding", b"chunked")
        lines = [b"%b: %b" % header for header in [*self.headers, framing]]
        head = CRLF.join([b"%b %b HTTP/1.1" % (self.method, self.target), *lines, b"", b""])
        ill_framed = self.length is not None or self.chunks is not None
        return HostileRequest(head + body, unfinished=ill_framed or self.unfinished)


@dataclass(frozen=True)
class Hostility:
    """Spoils what would be good requests to one server: who makes them has good credentials."""

    client_id: str
    client_secret: str
    username: str
    password: str

    def request(self, seed: str) -> HostileRequest:
        """The same request for the same seed."""
        chance = Random(seed)
        draft = self._good(chance)
        for spoil in chance.sample(SPOILERS, chance.choice([1, 1, 1, 2, 3])):
            spoil(draft, chance)
        request = draft.finished()
        match chance.randrange(20):
            case 0:
                return HostileRequest(mutated(request.wire, chance), unfinished=True)
            case 1:
                cut = chance.randrange(len(request.wire))
                return HostileRequest(request.wire[:cut], abandoned=True)
            case 2:
                return replace(request, abandoned=True)
        return request

    def _good(self, chance: Random) -> Draft:
        form = {"grant_type": "client_credentials", "scope": "agents:run"}
        if chance.random() < 0.03:  # few: each hashes a password
            form = {"grant_type": "password", "username": self.username, "password": self.password}
        headers = [(b"Host", b"127.0.0.1"), (b"Connection", b"close"), (b"Content-Type", FORM)]
        if chance.random() < 0.6:
            pair = f"{quote(self.client_id, safe='')}:{self.client_secret}"
            headers.append((b"Authorization", b"Basic " + base64.b64encode(pair.encode())))
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return Draft(form, headers)


def nasty_value(draft: Draft, chance: Random) -> None:
    name = chance.choice([*draft.form, "scope", "audience", "resource", "session_id"])
    nasty = chance.choice(NASTY)
    value = draft.form.get(name, "")
    draft.form[name] = chance.choice([nasty, value + nasty, nasty + value])


def nasty_name(draft: Draft, chance: Random) -> None:
    draft.form[chance.choice(NASTY)] = chance.choice(["", "x", chance.choice(NASTY)])


def missing_parameter(draft: Draft, chance: Random) -> None:
    draft.form.pop(chance.choice(list(draft.form)), None)


def repeated_parameter(draft: Draft, chance: Random) -> None:
    body = urlencode(draft.form)
    name = chance.choice([*draft.form, "x"])
    draft.body = f"{body}&{urlencode({name: draft.form.get(name, '')})}&x=1".encode()


def many_parameters(draft: Draft, chance: Random) -> None:
    draft.form |= {f"p{number}": "" for number in range(chance.choice([90, 101, 1_000]))}


def many_scopes(draft: Draft, chance: Random) -> None:
    number = chance.choice([500, 501, 3_000])
    scope = chance.choice(["a", "agents:run", "agents:web:run", "a:b:c:d", ":", "*:*", "é"])
    separator = chance.choice([" ", " ", "  ", "\t", ","])
    draft.form["scope"] = separator.join(f"{scope}{each}" for each in range(number))


def wrong_password(draft: Draft, chance: Random) -> None:
    names = {"username": chance.choice(["alice", "nobody", chance.choice(NASTY)])}
    if chance.random() < 0.1:  # few, as above
        draft.form |= {"grant_type": "password", **names, "password": chance.choice(NASTY)}


def swapped_credentials(draft: Draft, chance: Random) -> None:
    form = draft.form
    form["client_id"], form["client_secret"] = form.get("client_secret", ""), "x"


def broken_form(draft: Draft, chance: Random) -> None:
    draft.body = chance.choice(values.BROKEN_FORMS)


def mutated_form(draft: Draft, chance: Random) -> None:
    draft.body = mutated(urlencode(draft.form).encode(), chance)


def broken_authorization(draft: Draft, chance: Random) -> None:
    draft.headers.append((b"Authorization", chance.choice(values.AUTHORIZATIONS)))
    if chance.random() < 0.7:
        draft.headers[:] = [
            header for header in draft.headers[:-1] if header[0] != b"Authorization"
        ] + draft.headers[-1:]


def odd_content_type(draft: Draft, chance: Random) -> None:
    if chance.random() < 0.7:
        draft.headers[:] = [header for header in draft.headers if header[0] != b"Content-Type"]
    draft.headers.append((b"Content-Type", chance.choice(values.CONTENT_TYPES)))


def odd_header(draft: Draft, chance: Random) -> None:
    draft.headers.insert(chance.randrange(len(draft.headers)), chance.choice(values.HEADERS))
    draft.unfinished = True  # some of them change the framing


def many_headers(draft: Draft, chance: Random) -> None:
    draft.headers += [(b"X-%d" % number, b"y") for number in range(chance.choice([200, 5_000]))]


def odd_method(draft: Draft, chance: Random) -> None:
    draft.method = chance.choice(values.METHODS)
    draft.unfinished = True


def odd_target(draft: Draft, chance: Random) -> None:
    draft.target = chance.choice(values.TARGETS)


def form_in_the_url(draft: Draft, chance: Random) -> None:
    draft.target += b"?" + urlencode(draft.form).encode()


def odd_length(draft: Draft, chance: Random) -> None:
    draft.length = chance.choice(values.LENGTHS)


def odd_chunks(draft: Draft, chance: Random) -> None:
    draft.chunks = chance.choice(values.CHUNKS)


SPOILERS: list[Callable[[Draft, Random], None]] = [
    nasty_value,
    nasty_name,
    missing_parameter,
    repeated_parameter,
    many_parameters,
    many_scopes,
    wrong_password,
    swapped_credentials,
    broken_form,
    mutated_form,
    broken_authorization,
    odd_content_type,
    odd_header,
    many_headers,
    odd_method,
    odd_target,
    form_in_the_url,
    odd_length,
    odd_chunks,
]


def mutated(wire: bytes, chance: Random) -> bytes:
    """Some bytes changed, dropped, doubled or put in."""
    mutated = bytearray(wire)
    for _ in range(chance.choice([1, 2, 8])):
        place = chance.randrange(len(mutated) + 1)
        length = chance.choice([1, 1, 4, 50])
        match chance.randrange(4):
            case 0:
                mutated[place : place + length] = chance.randbytes(length)
            case 1:
                del mutated[place : place + length]
            case 2:
                mutated[place:place] = mutated[place : place + length]
            case 3:
                mutated[place:place] = chance.choice([b"\0", b"%", b"&", b"=", CRLF, b"\xff"])
    return bytes(mutated)
