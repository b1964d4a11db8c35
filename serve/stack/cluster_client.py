"""A command's way into a running cluster, without the applications: those take seconds to import."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import ray

from serve.config import Settings
from serve.stack.ray_node import NAMESPACE


@contextmanager
def joined_cluster() -> Generator[Settings]:
    """This process as a client of the cluster of RAY_ADDRESS, with the environment's settings."""
    settings = Settings()  # pyright: ignore[reportCallIssue]  # the environment fills it
    ray.init(  # pyright: ignore[reportUnknownMemberType]
        address=os.environ.get("RAY_ADDRESS", "auto"), namespace=NAMESPACE, log_to_driver=False
    )
    try:
        yield settings
    finally:
        ray.shutdown()  # pyright: ignore[reportUnknownMemberType]
