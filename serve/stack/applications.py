"""The product's applications on a Ray cluster: held by the local stack's driver, or deployed once and left there."""

import os
from functools import partial
from pathlib import Path

import ray

from actors.runtime import shard_pids
from serve.config import Settings
from serve.deploy import deploy, deploy_local
from serve.stack.driver import connect, drive
from serve.stack.driver_settings import DEV_FILE


def hold_local() -> None:
    """Be the local stack's driver until SIGTERM."""
    data_dir = Path(os.environ[DEV_FILE]).parent
    drive(_settings(), partial(deploy_local, data_dir=data_dir), shard_pids)


def deploy_to_cluster() -> None:
    """Deploy onto the cluster of RAY_ADDRESS with the environment's settings; the applications stay when this ends."""
    settings = _settings()
    connect(settings, proxies="EveryNode")
    deploy(settings)
    ray.shutdown()  # pyright: ignore[reportUnknownMemberType]


def _settings() -> Settings:
    return Settings()  # pyright: ignore[reportCallIssue]  # the environment fills it


if __name__ == "__main__":
    hold_local()
