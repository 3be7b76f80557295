"""``result.json``: entries that are not whole are left out."""

import json
from pathlib import Path

import pytest
from kaggle_offline.reports.result import Result, read_result


@pytest.mark.parametrize("entry", [None, [], 3, {}, {"ref": "one"}, "text", {"version": "one"}])
@pytest.mark.parametrize("name", ["packages", "kernel", "run", "submission", "seconds"])
def test_a_result_that_is_not_whole_is_left_out(name: str, entry: object, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"target": "local", name: entry}))
    assert read_result(tmp_path) == Result(target="local")
    (tmp_path / "result.json").write_bytes(b"\xff")
    assert read_result(tmp_path) == Result()
