"""Folders are whole or not there."""

import contextlib
from pathlib import Path

from kaggle_offline.files import new_folder


def test_a_new_folder_takes_the_place_of_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with new_folder(tmp_path / "folder") as draft:
            (draft / text).write_text(text)
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]
        assert [path.name for path in (tmp_path / "folder").iterdir()] == [text]


def test_the_old_folder_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    with new_folder(tmp_path / "folder") as draft:
        (draft / "file").write_text("whole")
    with contextlib.suppress(RuntimeError), new_folder(tmp_path / "folder") as draft:
        raise RuntimeError
    assert (tmp_path / "folder" / "file").read_text() == "whole"
