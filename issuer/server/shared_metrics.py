"""The folder in which the workers of a server share their metrics."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from issuer.errors import ConfigurationError
from issuer.settings import Settings
from issuer.telemetry.metrics import FOLDER_OF_WORKERS


@contextmanager
def shared_metrics(settings: Settings) -> Iterator[None]:
    """Workers forked in the block share a folder, deleted when the parent leaves the block.

    None is created if metrics are off, or if the environment already names a folder.
    """
    if settings.metrics_token is None or os.environ.get(FOLDER_OF_WORKERS):
        yield
        return
    parent, folder = os.getpid(), _private_folder()
    os.environ[FOLDER_OF_WORKERS] = folder
    try:
        yield
    finally:
        if os.getpid() == parent:
            rmtree(folder, ignore_errors=True)


def forget_gauges(worker: int) -> None:
    """What an ended worker held counts no more; what it counted stays."""
    if folder := os.environ.get(FOLDER_OF_WORKERS):
        # As `mark_process_dead` of the library, which the parent does not import.
        for file in Path(folder).glob(f"gauge_live*_{worker}.db"):
            file.unlink(missing_ok=True)


def _private_folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="issuer-metrics-")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot create a folder for the metrics of the workers: {error}."
            f" Set {FOLDER_OF_WORKERS} to a folder, or unset ISSUER_METRICS_TOKEN."
        ) from None
