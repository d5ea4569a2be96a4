"""Valid and unusual requests, many with tokens that almost allow them."""

from collections.abc import Iterable, Iterator
from random import Random
from urllib.parse import quote

from issuer.catalogue.catalogue import Catalogue
from tests.catalogue.oracle import Case
from tests.scopes.generators import EVERY_SCOPE

IDS = (
    "web",
    "billing",
    "*",
    "WEB",
    "agents",
    "runs",
    "web:read",
    "a b",
    "wéb",
    "a?b",
    "w\teb",
    "%41",
)
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")
# What cannot be granted, but may be in a token.
UNGRAMMATICAL = ("agents::run", "agents:web:extra:run", "", ":", "agents:a b:run", "teams:wéb:read")
FAMILIES = ("agents", "teams", "workflows")

# What an operator may add to the map: of other families, of several scopes, of one id, and an
# entry of its own for a path that an earlier pattern matches.
OPERATOR_ROUTES = {
    "GET /agents/*/notes": ["sessions:read"],
    "POST /agents/*/handover": ["agents:run", "teams:run"],
    "GET /teams/*/secrets": ["agent_os:admin"],
    "POST /support/*/close": ["billing-app:write"],
    "POST /agents/*/exact": ["agents:web:run"],
    "POST /exact": ["agents:web:run"],
    "GET /workflows/all": ["system:read", "workflows:read"],
    "DELETE /agents/*/one": ["billing"],
    "GET /support/*": ["billing-app:read"],
    "GET /support/hours": ["sessions:read"],
}


def requests(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Methods and paths: of every route and router check, with ids at every depth, and others."""
    patterns = [(route.method, route.pattern) for route in catalogue.routes]
    patterns += [(each.method, each.path) for each in catalogue.checks if "admin" not in each.scope]
    paths = {
        (method, path)
        for method, pattern in patterns
        for one in IDS
        for path in (_filled(pattern, one, "web"), _filled(pattern, "web", one))
    }
    paths |= {(method, f"{path}/") for method, path in paths if hash_of(path) % 7 == 0}
    paths |= {(method, path) for _, path in paths for method in METHODS if hash_of(path) % 11 == 0}
    paths |= {
        ("GET", path) for path in ("/", "/health", "/info/", "/nowhere", "//agents", "/agentsx")
    }
    return sorted(paths)


def hash_of(text: str) -> int:
    """The same in every process, unlike `hash`."""
    return sum(text.encode())


def _filled(pattern: str, first: str, second: str) -> str:
    """The pattern with quoted ids where it has `*` or `{name}`."""
    names = iter([first, second, second, second])
    segments = [
        quote(next(names), safe=":*") if part == "*" or part.startswith("{") else part
        for part in pattern.split("/")
    ]
    return "/".join(segments)


def cases(catalogue: Catalogue, count: int, seed: int) -> Iterator[Case]:
    """`count` requests with tokens; most hold scopes similar to the required ones."""
    random = Random(seed)
    known = requests(catalogue)
    for _ in range(count):
        method, path = random.choice(known)
        required = catalogue.required_at(method, path) or ("agents:run",)
        pool = [
            *close_to(required),
            *random.choices(EVERY_SCOPE, k=3),
            random.choice(UNGRAMMATICAL),
        ]
        yield Case(tuple(random.sample(pool, k=random.randint(0, 4))), method, path)


def close_to(required: Iterable[str]) -> list[str]:
    """The scopes themselves, their forms for one id, and those of similar actions."""
    found = []
    for scope in required:
        resource, action = scope.split(":", 1)[0], scope.rpartition(":")[2]
        found += [scope, f"{resource}:*:{action}"]
        found += [f"{resource}:{one}:{action}" for one in IDS]
        if resource in FAMILIES:
            found += [f"{resource}:{other}" for other in ("run", "read", "web:run", "web:read")]
    return found
