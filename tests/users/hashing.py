"""How much argon2 a server runs."""

from concurrent.futures import Executor, Future
from typing import Any

from tests.builders import Deployment


class CountedHashes(Executor):
    """The threads of a deployment that hash passwords; `number` is how often they did."""

    def __init__(self, deployment: Deployment) -> None:
        passwords = deployment.services.sign_in.passwords
        self._threads = passwords._hashing
        self.number = 0
        passwords._hashing = self  # type: ignore[assignment]

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.number += 1
        return self._threads.submit(*args, **kwargs)

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        self._threads.shutdown(*args, **kwargs)
