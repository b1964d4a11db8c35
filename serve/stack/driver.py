"""The process that holds the applications: deploys them, publishes dev.json, keeps it true, drains at the end."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Final

import ray
from ray import serve as ray_serve

from serve.config import Settings
from serve.stack.driver_settings import DEV_FILE
from serve.stack.ray_node import NAMESPACE
from serve.stack.state import write_dev_file

POLL_SECONDS: Final = 1.0


def connect(settings: Settings, *, proxies: str) -> None:
    """Join the cluster at RAY_ADDRESS and start Serve there, with HAProxy on the `HeadOnly` or on `EveryNode`.

    Only from the main thread. Changes nothing where Serve runs already.
    """
    ray.init(  # pyright: ignore[reportUnknownMemberType]
        address=os.environ.get("RAY_ADDRESS", "auto"), namespace=NAMESPACE, log_to_driver=False
    )
    ray_serve.start(  # pyright: ignore[reportUnknownMemberType]
        proxy_location=proxies, http_options={"host": settings.http_host, "port": settings.http_port}
    )


def drive(
    settings: Settings,
    deploy: Callable[[Settings], Mapping[str, object]],
    shard_pids: Callable[[], Mapping[str, int]],
) -> None:
    """Deploy, publish what `deploy` returns as dev.json, keep the shards' pids in it current until SIGTERM."""
    ended = Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    dev_file = Path(os.environ[DEV_FILE])
    connect(settings, proxies="HeadOnly")
    try:
        published = dict(deploy(settings))
        pids: dict[str, int] | None = None
        while not ended.is_set():
            now = dict(shard_pids())
            if now != pids:
                pids = now
                write_dev_file(dev_file, {**published, "shard_pids": pids})
            ended.wait(POLL_SECONDS)
    finally:
        dev_file.unlink(missing_ok=True)
        ray_serve.shutdown()  # pyright: ignore[reportUnknownMemberType]
        ray.shutdown()  # pyright: ignore[reportUnknownMemberType]
