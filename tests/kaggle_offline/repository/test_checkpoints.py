"""Checkpoints: each file is what its name says, or is refused by name."""

import json
import zipfile
from pathlib import Path

import pytest
from kaggle_offline.errors import CheckpointError
from kaggle_offline.repository.checkpoints import list_checkpoints

from tests.kaggle_offline.conftest import write_checkpoint


def test_checkpoints_are_seen_to_be_some(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no file") as refusal:
        list_checkpoints(tmp_path, tmp_path)
    assert "train" not in refusal.value.cure
    write_checkpoint(tmp_path / "a.ckpt")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    assert [p.name for p in list_checkpoints(tmp_path, tmp_path)] == ["a.ckpt", "a.json"]


def write_safetensors(path: Path, data: bytes = bytes(8)) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"a": "b"}})
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + data)


def test_models_of_any_kind_are_shipped_as_they_are(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors")
    names = [
        "config.json",
        "tokenizer.json",
        "spiece.model",
        "model.cbm",
        "model.ubj",
        "lgb.txt",
        "net.onnx",
        "a.keras",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"\x08\x01 of any kind")
    (tmp_path / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    assert [path.name for path in list_checkpoints(tmp_path, tmp_path)] == sorted(
        [*names, "model.safetensors", "old.pt"]
    )


@pytest.mark.parametrize("content", [b"", b"not one", bytes(8) + b"{", b"\xff" * 30, b"\x02" + bytes(7) + b"[]"])
def test_a_safetensors_file_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a safetensors file"):
        list_checkpoints(tmp_path, tmp_path)


def test_a_safetensors_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", bytes(5))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: \d+ bytes, and its header says \d+"):
        list_checkpoints(tmp_path, tmp_path)


def test_folders_are_shipped_with_their_files(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt")
    for name in ("tokenizer/vocab.json", "tokenizer/sub.v1/merges.txt", ".cache/x", "tokenizer/__pycache__/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    listed = [path.relative_to(tmp_path).as_posix() for path in list_checkpoints(tmp_path, tmp_path)]
    assert listed == ["a.ckpt", "tokenizer/sub.v1/merges.txt", "tokenizer/vocab.json"]
    (tmp_path / "a@b").mkdir()
    (tmp_path / "a@b" / "x.json").write_text("{}")
    with pytest.raises(CheckpointError, match="refuses such a name"):
        list_checkpoints(tmp_path, tmp_path)


def test_what_git_lfs_has_not_fetched_is_refused_whatever_its_suffix(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt")
    (tmp_path / "b.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(CheckpointError, match=r"b\.safetensors: a Git LFS pointer"):
        list_checkpoints(tmp_path, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
def test_a_checkpoint_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.ckpt: not a checkpoint"):
        list_checkpoints(tmp_path, tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0123456789" * 1000)
    content = bytearray(path.read_bytes())
    content[50:60] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.ckpt"):
        list_checkpoints(tmp_path, tmp_path)


@pytest.mark.parametrize(("name", "reason"), [("notes.zip", "unpacks archives"), ("a@b.json", "refuses such a name")])
def test_what_kaggle_would_not_keep_as_it_is_is_named(name: str, reason: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model.ckpt")
    (tmp_path / name).write_text("x")
    with pytest.raises(CheckpointError, match=reason):
        list_checkpoints(tmp_path, tmp_path)


def test_a_zip_that_torch_did_not_write_is_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="torch did not write"):
        list_checkpoints(tmp_path, tmp_path)
