"""Malformed requests, each generated from a seed."""

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

    If `unfinished`, a server may wait for more bytes, which never arrive. If `abandoned`, the
    client disconnects before any answer.
    """

    wire: bytes = field(repr=False)
    unfinished: bool = False
    abandoned: bool = False


@dataclass
class Draft:
    """A valid token request, to be made invalid."""

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
    """Makes valid requests to one server, with valid credentials, malformed."""

    client_id: str
    client_secret: str
    username: str
    password: str

    def request(self, seed: str) -> HostileRequest:
        """The same request for the same seed."""
        random = Random(seed)
        draft = self._good(random)
        for spoil in random.sample(SPOILERS, random.choice([1, 1, 1, 2, 3])):
            spoil(draft, random)
        request = draft.finished()
        match random.randrange(20):
            case 0:
                return HostileRequest(mutated(request.wire, random), unfinished=True)
            case 1:
                cut = random.randrange(len(request.wire))
                return HostileRequest(request.wire[:cut], abandoned=True)
            case 2:
                return replace(request, abandoned=True)
        return request

    def _good(self, random: Random) -> Draft:
        form = {"grant_type": "client_credentials", "scope": "agents:run"}
        if random.random() < 0.03:  # few: each hashes a password
            form = {"grant_type": "password", "username": self.username, "password": self.password}
        headers = [(b"Host", b"127.0.0.1"), (b"Connection", b"close"), (b"Content-Type", FORM)]
        if random.random() < 0.6:
            pair = f"{quote(self.client_id, safe='')}:{self.client_secret}"
            headers.append((b"Authorization", b"Basic " + base64.b64encode(pair.encode())))
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return Draft(form, headers)


def nasty_value(draft: Draft, random: Random) -> None:
    name = random.choice([*draft.form, "scope", "audience", "resource", "session_id"])
    nasty = random.choice(NASTY)
    value = draft.form.get(name, "")
    draft.form[name] = random.choice([nasty, value + nasty, nasty + value])


def nasty_name(draft: Draft, random: Random) -> None:
    draft.form[random.choice(NASTY)] = random.choice(["", "x", random.choice(NASTY)])


def missing_parameter(draft: Draft, random: Random) -> None:
    draft.form.pop(random.choice(list(draft.form)), None)


def repeated_parameter(draft: Draft, random: Random) -> None:
    body = urlencode(draft.form)
    name = random.choice([*draft.form, "x"])
    draft.body = f"{body}&{urlencode({name: draft.form.get(name, '')})}&x=1".encode()


def many_parameters(draft: Draft, random: Random) -> None:
    draft.form |= {f"p{number}": "" for number in range(random.choice([90, 101, 1_000]))}


def many_scopes(draft: Draft, random: Random) -> None:
    number = random.choice([500, 501, 3_000])
    scope = random.choice(["a", "agents:run", "agents:web:run", "a:b:c:d", ":", "*:*", "é"])
    separator = random.choice([" ", " ", "  ", "\t", ","])
    draft.form["scope"] = separator.join(f"{scope}{each}" for each in range(number))


def wrong_password(draft: Draft, random: Random) -> None:
    names = {"username": random.choice(["alice", "unknown", random.choice(NASTY)])}
    if random.random() < 0.1:  # few, as above
        draft.form |= {"grant_type": "password", **names, "password": random.choice(NASTY)}


def swapped_credentials(draft: Draft, random: Random) -> None:
    form = draft.form
    form["client_id"], form["client_secret"] = form.get("client_secret", ""), "x"


def broken_form(draft: Draft, random: Random) -> None:
    draft.body = random.choice(values.BROKEN_FORMS)


def mutated_form(draft: Draft, random: Random) -> None:
    draft.body = mutated(urlencode(draft.form).encode(), random)


def broken_authorization(draft: Draft, random: Random) -> None:
    draft.headers.append((b"Authorization", random.choice(values.AUTHORIZATIONS)))
    if random.random() < 0.7:
        draft.headers[:] = [
            header for header in draft.headers[:-1] if header[0] != b"Authorization"
        ] + draft.headers[-1:]


def odd_content_type(draft: Draft, random: Random) -> None:
    if random.random() < 0.7:
        draft.headers[:] = [header for header in draft.headers if header[0] != b"Content-Type"]
    draft.headers.append((b"Content-Type", random.choice(values.CONTENT_TYPES)))


def odd_header(draft: Draft, random: Random) -> None:
    draft.headers.insert(random.randrange(len(draft.headers)), random.choice(values.HEADERS))
    draft.unfinished = True  # some of them change the framing


def many_headers(draft: Draft, random: Random) -> None:
    draft.headers += [(b"X-%d" % number, b"y") for number in range(random.choice([200, 5_000]))]


def odd_method(draft: Draft, random: Random) -> None:
    draft.method = random.choice(values.METHODS)
    draft.unfinished = True


def odd_target(draft: Draft, random: Random) -> None:
    draft.target = random.choice(values.TARGETS)


def form_in_the_url(draft: Draft, random: Random) -> None:
    draft.target += b"?" + urlencode(draft.form).encode()


def odd_length(draft: Draft, random: Random) -> None:
    draft.length = random.choice(values.LENGTHS)


def odd_chunks(draft: Draft, random: Random) -> None:
    draft.chunks = random.choice(values.CHUNKS)


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


def mutated(wire: bytes, random: Random) -> bytes:
    """Some bytes changed, removed, doubled or inserted."""
    mutated = bytearray(wire)
    for _ in range(random.choice([1, 2, 8])):
        place = random.randrange(len(mutated) + 1)
        length = random.choice([1, 1, 4, 50])
        match random.randrange(4):
            case 0:
                mutated[place : place + length] = random.randbytes(length)
            case 1:
                del mutated[place : place + length]
            case 2:
                mutated[place:place] = mutated[place : place + length]
            case 3:
                mutated[place:place] = random.choice([b"\0", b"%", b"&", b"=", CRLF, b"\xff"])
    return bytes(mutated)
