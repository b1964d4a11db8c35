"""The frames that dashboard/tests/board.test.ts folds as well: both boards come to what the file says."""

import json
from pathlib import Path
from typing import Any

import orjson

from serve.live.board import LiveBoard
from serve.live.protocol import exactly

STEPS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "fixtures" / "board_frames.json").read_bytes())[
    "steps"
]


def test_frames_fold_to_the_board_to_which_the_page_folds_them() -> None:
    board = LiveBoard()
    compared = 0
    for step in STEPS:
        assert board.apply(step["frame"]) == step["does"], step["why"]
        if "board" in step:
            compared += 1
            told = {"position": str(board.position), "state": board.state(), "presence": board.presence}
            assert told == step["board"], step["why"]
    assert compared == 2


def test_the_frames_are_ones_that_a_hub_sends() -> None:
    for step in STEPS:
        if "of-a-later-release" not in json.dumps(step["frame"]):
            exactly(orjson.dumps(step["frame"]))
