"""What a person wants to know once the stack runs: where to look and what to try."""

import json

from rich.console import Console

from serve.stack.ray_cluster import NODE
from serve.stack.servers import TEMPORAL
from serve.stack.state import DataFolder, StackRecord


def print_banner(console: Console, folder: DataFolder, record: StackRecord) -> None:
    """Print the addresses of a running stack; dev.json and the record must be complete."""
    dev = json.loads(folder.dev_file.read_bytes())
    base_url = dev["base_url"]
    dashboard = record.parts[NODE].port
    lines = [
        ("Dashboard", dev["dashboard_login_url"]),
        ("API reference", f"{base_url}/docs"),
        ("Ray dashboard", f"http://127.0.0.1:{dashboard}/  (token: {folder.ray_token_file.read_text()})"),
        *([("Temporal", f"http://127.0.0.1:{record.ports['temporal_ui']}/")] if TEMPORAL in record.parts else []),
        ("Simulate calls", "call-supervisor simulate"),
        ("Watch them here", "call-supervisor watch"),
        ("Stop", "Ctrl-C, or `make down` in another terminal"),
    ]
    console.print()
    for name, text in lines:
        console.print(f"  {name:<17}{text}", markup=False, highlight=False, soft_wrap=True)
    console.print()
