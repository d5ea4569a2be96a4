"""The folder in which the workers of a server count together, for `/metrics`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import rmtree

from issuer.errors import ConfigurationError
from issuer.metrics import FOLDER_OF_WORKERS
from issuer.settings import Settings


@contextmanager
def counting_together(settings: Settings) -> Iterator[None]:
    """Workers forked in the block share a folder, gone when the original leaves the block.

    Unless nobody may read the metrics, or the environment names a folder already.
    """
    if settings.metrics_token is None or os.environ.get(FOLDER_OF_WORKERS):
        yield
        return
    original, folder = os.getpid(), _private_folder()
    os.environ[FOLDER_OF_WORKERS] = folder
    try:
        yield
    finally:
        if os.getpid() == original:
            rmtree(folder, ignore_errors=True)


def _private_folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="issuer-metrics-")
    except OSError as error:
        raise ConfigurationError(
            f"There is no place where workers could count: {error}."
            f" Name a folder by {FOLDER_OF_WORKERS}, or unset ISSUER_METRICS_TOKEN."
        ) from None
