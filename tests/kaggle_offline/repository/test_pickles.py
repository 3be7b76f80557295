"""Files that run code when they are loaded are refused unless they are trusted; nothing is loaded to find out."""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.errors import CheckpointError, ConfigurationError
from kaggle_offline.repository.checkpoints import list_checkpoints
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.repository.pickles import UNREADABLE, harmful_imports

from tests.kaggle_offline.conftest import write_checkpoint


class Calls:
    """Pickled, it calls a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def stack_global(*pieces: bytes) -> bytes:
    return b"\x80\x04" + b"".join(pieces) + b"\x93(\x8c\x04true\x85R."


HOSTILE = {
    "the shell": pickle.dumps(Calls(__import__("os").system, "true")),
    "the shell, in text": b"cposix\nsystem\n(S'true'\ntR.",
    "eval among weights": pickle.dumps({"state_dict": {"a": 1}, "epoch": Calls(eval, "1")}),
    "a subprocess": pickle.dumps(Calls(__import__("subprocess").check_output, ["true"])),
    "getattr": pickle.dumps(Calls(getattr, "text", "upper")),
    "a module of its own": b"cmodel\nNet\n)R.",
    "an instance": b"(S'true'\nios\nsystem\n.",
    "names from the memo": stack_global(b"\x8c\x05posix\x94\x8c\x06system\x940", b"h\x00h\x01"),
    "names under others": stack_global(b"\x8c\x05posix\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00"),
    "code after the end of another pickle": pickle.dumps({}) + pickle.dumps(Calls(print, "true")),
    "names that another pickle has remembered": (
        b"\x80\x04\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93."
        b"\x80\x04\x8c\x05posix\x94\x8c\x06getpid\x9400h\x00h\x01\x93)R."
    ),
    "after what only one reader takes": pickle.dumps({}) + b"I0x10\n0cposix\ngetpid\n)R.",
    "harmless names with a dot": b"\x80\x04\x8c\x0bcollections\x8c\x1dOrderedDict.__init_subclass__\x93.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_code_is_refused_in_a_checkpoint_and_in_a_file_beside_it(name: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model.ckpt", HOSTILE[name])
    with pytest.raises(CheckpointError, match=r"model\.ckpt: loading it can run code: it imports "):
        list_checkpoints(tmp_path, tmp_path)
    write_checkpoint(tmp_path / "model.ckpt")
    (tmp_path / "beside.pkl").write_bytes(HOSTILE[name])
    with pytest.raises(CheckpointError, match=r"beside\.pkl: loading it can run code"):
        list_checkpoints(tmp_path, tmp_path)
    assert list_checkpoints(tmp_path, tmp_path, trusted=["beside.pkl"])


def test_a_pickle_in_a_member_of_another_case_is_seen(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/DATA.PKL", HOSTILE["the shell"])
    assert harmful_imports(tmp_path / "model.bin") == ["posix.system"]


def test_a_pickle_with_a_checkpoint_at_its_end_is_seen(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "inner")
    path = tmp_path / "model.ckpt"
    path.write_bytes(HOSTILE["the shell"] + (tmp_path / "inner").read_bytes())
    assert zipfile.is_zipfile(path)
    assert harmful_imports(path) == ["posix.system", UNREADABLE]
    path.write_bytes(HOSTILE["the shell, in text"] + (tmp_path / "inner").read_bytes())
    assert harmful_imports(path) == [UNREADABLE]
    with pytest.raises(CheckpointError):
        list_checkpoints(tmp_path, tmp_path)


@pytest.mark.parametrize("size", range(65_480, 65_560, 3))
def test_where_a_frame_ends_does_not_count(size: int, tmp_path: Path) -> None:
    (tmp_path / "values.pkl").write_bytes(pickle.dumps(["x" * size, OrderedDict(a=1)], 4))
    assert harmful_imports(tmp_path / "values.pkl") == []


def test_what_torch_and_lightning_write_is_not(tmp_path: Path) -> None:
    names = (
        "torch._utils\n_rebuild_tensor_v2",
        "torch\nFloatStorage",
        "torch\nbfloat16",
        "collections\nOrderedDict",
        "numpy._core.multiarray\nscalar",
        "pathlib\nPosixPath",
        "pytorch_lightning.utilities.parsing\nAttributeDict",
    )
    write_checkpoint(tmp_path / "model.ckpt", b"".join(f"c{name}\n0".encode() for name in names) + b"N.")
    assert harmful_imports(tmp_path / "model.ckpt") == []


@pytest.mark.parametrize("content", [b"\x80\x04\x95 cut off", b"\x80\x02\xff\xff."])
def test_what_cannot_be_taken_apart_may_do_anything(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(content)
    assert UNREADABLE in harmful_imports(tmp_path / "model.pkl")


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists), st.integers(0, 5))
def test_plain_values_are_harmless(tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int) -> None:
    path = tmp_path_factory.mktemp("plain") / "values.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert harmful_imports(path) == []


def test_trust_is_given_in_submission_toml_and_can_be_taken_back(repository: Path) -> None:
    folder = repository / "kernels" / "small"
    (folder / "checkpoints" / "forest.pkl").write_bytes(HOSTILE["a module of its own"])
    settings = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(f'trusted = ["forest.pkl"]\n{settings}')
    assert "forest.pkl" in freeze(read_kernel_folder(repository, "small")).models.files  # type: ignore[union-attr]
    (folder / "submission.toml").write_text(settings)
    with pytest.raises(CheckpointError, match=r'trusted = \["forest\.pkl"\]'):
        freeze(read_kernel_folder(repository, "small"))
    (folder / "submission.toml").write_text(f'trusted = ["nowhere.pkl"]\n{settings}')
    with pytest.raises(ConfigurationError, match=r"trusted: nowhere\.pkl is not among the checkpoints"):
        read_kernel_folder(repository, "small")
