import json
import stat
from pathlib import Path

from serve.stack.state import DataFolder, Part, StackRecord, write_dev_file


def test_secrets_are_made_once_and_are_for_the_owner_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = folder.secrets()
    assert folder.secrets() == first
    for file in (tmp_path / "secrets.json", folder.ray_token_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_folders_share_neither_name_nor_secrets(tmp_path: Path) -> None:
    one, other = DataFolder(tmp_path / "one"), DataFolder(tmp_path / "other")
    one.create()
    other.create()
    assert one.stack != other.stack
    assert one.secrets() != other.secrets()
    assert DataFolder(tmp_path / "other" / ".." / "one").stack == one.stack


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    held = DataFolder(tmp_path).lock()
    assert held is not None
    assert DataFolder(tmp_path).lock() is None
    held.close()
    again = DataFolder(tmp_path).lock()
    assert again is not None
    again.close()


def test_the_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.read_record() is None
    part = Part(pid=1, create_time=2.5, port=8000)
    record = StackRecord(supervisor=part, ray_folder="/somewhere", parts={"Ray": part})
    folder.write_record(record)
    assert folder.read_record() == record


def test_dev_json_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    write_dev_file(path, {"base_url": "http://127.0.0.1:8000", "shard_pids": {"organization-shard-0": 1}})
    with path.open("rb") as reader:
        write_dev_file(path, {"base_url": "http://127.0.0.1:8000", "shard_pids": {}})
        assert json.load(reader)["shard_pids"] == {"organization-shard-0": 1}
    assert json.loads(path.read_bytes())["shard_pids"] == {}
    assert [file.name for file in tmp_path.iterdir()] == ["dev.json"]
