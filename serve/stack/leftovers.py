"""What a killed run leaves: processes, files that describe it, Ray's folder. The next start and `down` end it all."""

import time
from pathlib import Path

from serve.stack.processes import PART_MARKER, reap
from serve.stack.ray_cluster import remove_run_folder
from serve.stack.state import DataFolder
from serve.stack.steps import Steps


def clear_leftovers(folder: DataFolder, steps: Steps) -> None:
    """End what a killed run left: its processes, its files of this run and Ray's folder."""
    record = folder.read_record()
    began = time.monotonic()
    # Ray first: its processes are slow to end when asked, and the servers wait for their clients.
    count = reap({**folder.marker, PART_MARKER: "ray"}, grace_s=2) + reap(folder.marker)
    if count:
        with steps.step(f"ended {count} processes of a killed run", began=began):
            pass
    if record is not None:
        run_folder = Path(record.ray_folder)
        if run_folder.name.startswith("cs-") and run_folder.is_dir():
            remove_run_folder(run_folder)
    remove_run_files(folder)


def remove_run_files(folder: DataFolder) -> None:
    """Remove what describes a running stack; data, logs and secrets stay."""
    for file in (folder.dev_file, folder.record_file, folder.settings_file):
        file.unlink(missing_ok=True)
