"""Values for every part of a request that may break a parser, a database, a log or a header."""

import base64

CRLF = b"\r\n"

# Characters that are special in a parser, a database, a log or a header.
NASTY = [
    "\0",
    "\x01\x1b[31m",
    "\r\nInjected: 1",
    "\n",
    "\ufffe\uffff",
    "\u202etxt.exe",
    "\U0001f9d1\u200d\U0001f680" * 40,
    "e" + "\u0301" * 400,
    "\ufdfa" * 60,  # each is eighteen characters in NFKC
    "\u0130\u0131\u017f\u00df\u1e9e",  # change their length or their ASCII-ness with their case
    "'; DROP TABLE clients; --",
    '"\\',
    "${jndi:ldap://x}{{7*7}}%s%n",
    "../../../etc/passwd",
    "a" * 5_000,
    " " * 200,
    "-0",
    "1e999",
    "null",
    "__proto__",
]

CONTENT_TYPES = [
    b"",
    b"application/json",
    b"multipart/form-data; boundary=x",
    b"multipart/form-data",
    b"application/x-www-form-urlencoded; charset=utf-16",
    b"application/x-www-form-urlencoded; charset=utf-8; charset=utf-7",
    b"application/x-www-form-urlencoded;" + b" x" * 2_000,
    b"APPLICATION/X-WWW-FORM-URLENCODED",
    b"text/plain, application/x-www-form-urlencoded",
    b"/",
    b"\xff\xfe",
]

BROKEN_FORMS = [
    b"",
    b"&",
    b"=",
    b"&&&&====&&&&",
    b"grant_type",
    b"grant_type=%",
    b"grant_type=%f",
    b"grant_type=%zz",
    b"grant_type=%ff%fe",
    b"grant_type=%ed%a0%80",  # half of a surrogate pair
    b"grant_type=%c0%80",  # NUL, longer than it must be
    b"grant_type=client_credentials;scope=x",
    b"grant%5ftype=client_credentials",
    b"+grant_type=client_credentials",
    b"grant_type=client_credentials%00",
    b'{"grant_type":"client_credentials"}',
    b"<a/>",
    bytes(range(256)),
    b"\xef\xbb\xbfgrant_type=client_credentials",
    b"a" * 16_385,
    b"a" * 200_000,
    b"&".join(b"a%d=1" % number for number in range(2_000)),
]

AUTHORIZATIONS = [
    b"",
    b"Basic",
    b"Basic ",
    b"Basic =",
    b"Basic ====",
    b"Basic \xff\xff",
    b"Basic " + b"A" * 30_000,
    b"Basic " + base64.b64encode(b":"),
    b"Basic " + base64.b64encode(b"no colon"),
    b"Basic " + base64.b64encode(b"a:b:c"),
    b"Basic " + base64.b64encode(b"%00:%00"),
    b"Basic " + base64.b64encode(b"%ff:%ff"),
    b"Basic " + base64.b64encode(b"\0:\0"),
    b"Basic " + base64.b64encode(b"\xff:\xff"),
    b"Basic " + base64.b64encode(b"a" * 10_000 + b":" + b"b" * 10_000),
    b"Basic " + base64.b64encode(bytes(range(256))),
    b"Basic YTpi YTpi",
    b"Bearer x",
    b"Negotiate x",
    b"Digest username=x",
    b"basic,basic",
]

METHODS = [b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"]
METHODS += [b"PROPFIND", b"post", b"P\xd6ST", b"", b"POST POST", b"A" * 3_000]

TARGETS = [
    b"/oauth2/token/",
    b"//oauth2/token",
    b"/oauth2/../oauth2/token",
    b"/oauth2/token%00",
    b"/oauth2/%74oken",
    b"/oauth2/token#x",
    b"/oauth2/token?grant_type=client_credentials",
    b"/oauth2/token?" + b"a" * 60_000,
    b"http://elsewhere.example/oauth2/token",
    b"*",
    b"",
    b"/oauth2/token?%ff=\xff",
]

HEADERS = [
    (b"X-Request-Id", b"a\tb"),
    (b"X-Request-Id", b"a%0d%0aInjected: 1"),
    (b"X-Request-Id", b"x" * 129),
    (b"X-Request-Id", b"\xc3\xa4"),
    (b"X-Forwarded-For", b"127.0.0.1, \xff, ::, " + b"1.1.1.1, " * 2_000),
    (b"Forwarded", b"for=_hidden;proto=https;host=elsewhere.example"),
    (b"Host", b"elsewhere.example"),
    (b"Host", b"[::"),
    (b"Content-Encoding", b"gzip"),
    (b"Expect", b"100-continue"),
    (b"Upgrade", b"h2c"),
    (b"Upgrade", b"websocket"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Content-Length", b"5"),
    (b"Cookie", b"a=b; " * 3_000),
    (b"Accept", b"*/*;q=" + b"9" * 5_000),
    (b"If-None-Match", b'"' + b"," * 5_000),
    (b"X-\x00", b"1"),
    (b"X Y", b"1"),
    (b"", b"1"),
    (b"X-Folded", b"a\r\n b"),
    (b"X-Injected", b"a\r\nAuthorization: Basic " + base64.b64encode(b"x:y")),
    (b"X-Huge", b"y" * 100_000),
]

LENGTHS = [b"-1", b"+5", b"0x10", b"1e3", b"", b"abc", b"5, 5", b"9" * 30, b"16385", b"0", b" 7 "]

CHUNKS = [
    [b"0\r\n\r\n"],
    [b"zz\r\n"],
    [b"-1\r\n"],
    [b"ffffffffffffffffff\r\n"],
    [b"5;" + b"x" * 20_000 + b"\r\ngrant\r\n0\r\n\r\n"],
    [b"1\r\ng\r\n"] * 3_000 + [b"0\r\n\r\n"],
    [b"4000\r\n" + b"a" * 0x4000 + b"\r\n"] * 4 + [b"0\r\n\r\n"],
    [b"5\r\ngrant\r\n0\r\nInjected: 1\r\n\r\n"],
]
