"""Files of wheels that would not work in the kernel are found at freeze, on a package index on loopback."""

from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.errors import LockError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.dependencies.locked import lock
from tests.package_index import PackageIndex, write_wheel

IMAGE = """\
# image: small
# python: 3.12.13
# platform: manylinux_2_35_x86_64
# accelerator: cpu
numpy==2.1.3
opencv-python==5.0
"""

TAG = "cp312-cp312-manylinux_2_17_x86_64"
NUMPY_1 = b"\x7fELF numpy.core._multiarray_umath \0"
NUMPY_2 = b"\x7fELF numpy._core._multiarray_umath \0 numpy.core._multiarray_umath \0"


def add(index: PackageIndex, name: str, version: str, *requirements: str, files: dict[str, bytes]) -> None:
    wheel = write_wheel(name, version, *requirements, tag=TAG, files=files)
    index.add_file(f"{name.replace('-', '_')}-{version}-{TAG}.whl", wheel)


def frozen(repository: Path, *requirements: str) -> None:
    lock(repository, *requirements, image=IMAGE)
    freeze(read_kernel_folder(repository, "small"))


def test_a_file_that_the_image_has_too_stops_freeze_and_the_pin_that_agrees_is_named(
    repository: Path, index: PackageIndex
) -> None:
    add(index, "opencv-python", "5.0", files={"cv2/__init__.py": b"5", "cv2/cv2.so": b"5"})
    add(index, "opencv-python", "4.8", files={"cv2/__init__.py": b"4", "cv2/cv2.so": b"4"})
    add(index, "opencv-python-headless", "4.8", files={"cv2/__init__.py": b"4", "cv2/cv2.so": b"4h"})
    with pytest.raises(LockError) as refusal:
        frozen(repository, "opencv-python", "opencv-python-headless==4.8")
    assert refusal.value.problem == (
        "the image's opencv-python 5.0 and opencv-python-headless 4.8 both have cv2/__init__.py:"
        " one would overwrite the other"
    )
    assert refusal.value.cure == (
        "Require opencv-python instead of opencv-python-headless;"
        " or the same version, opencv-python==4.8, if its files are the same."
    )
    assert not (repository / "build" / "small" / "wheels").exists()
    frozen(repository, "opencv-python")


def test_a_provided_distribution_that_comes_later_is_compared_too(repository: Path, index: PackageIndex) -> None:
    add(index, "opencv-python", "5.0", files={"cv2/__init__.py": b"5"})
    add(index, "opencv-python-headless", "4.8", files={"cv2/__init__.py": b"4"})
    frozen(repository, "opencv-python-headless==4.8")
    with pytest.raises(LockError, match="one would overwrite the other"):
        frozen(repository, "opencv-python", "opencv-python-headless==4.8")


def test_two_shipped_distributions_with_a_file_stop_freeze(repository: Path, index: PackageIndex) -> None:
    add(index, "faiss-cpu", "1.0", files={"faiss/__init__.py": b"cpu"})
    add(index, "faiss-gpu", "1.0", files={"faiss/__init__.py": b"gpu"})
    with pytest.raises(LockError, match=r"faiss-cpu 1\.0 and faiss-gpu 1\.0 both have faiss/__init__\.py") as refusal:
        frozen(repository, "faiss-cpu", "faiss-gpu")
    assert refusal.value.cure == "Require only one of faiss-cpu and faiss-gpu."


def test_code_that_was_compiled_against_numpy_1_stops_freeze(repository: Path, index: PackageIndex) -> None:
    add(index, "arrow", "14.0", "numpy>=1.16", files={"arrow/lib.so": NUMPY_1})
    add(index, "arrow", "20.0", "numpy>=1.16", files={"arrow/lib.so": NUMPY_2})
    add(index, "other", "1.0", files={"other/lib.so": NUMPY_1})
    with pytest.raises(LockError) as refusal:
        frozen(repository, "arrow==14.0")
    assert (
        refusal.value.problem == "arrow 14.0: arrow/lib.so is compiled against NumPy 1, and the kernel has NumPy 2.1.3"
    )
    assert refusal.value.cure == "Require a later release of it, such as arrow==20.0."
    frozen(repository, "arrow==20.0", "other")


def test_withdrawn_releases_and_cuda_without_a_gpu_are_reported(
    repository: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add("helper", "1.0")
    index.yanked["helper-1.0-py3-none-any.whl"] = "it deletes files"
    index.add("nvidia-nccl", "2.1")
    index.sizes["nvidia_nccl-2.1-py3-none-any.whl"] = 1_200_000_000
    lock(repository, "helper==1.0", "nvidia-nccl", image=IMAGE)
    said = capsys.readouterr().out
    assert "  helper==1.0 was withdrawn from the index: it deletes files\n" in said
    assert "  1.2 GB of CUDA for a kernel without a GPU: nvidia-nccl\n" in said


def test_a_file_of_this_machine_is_refused(repository: Path, index: PackageIndex, tmp_path: Path) -> None:
    path = tmp_path / "helper-1.0-py3-none-any.whl"
    path.write_bytes(write_wheel("helper", "1.0"))
    with pytest.raises(LockError, match="helper: a file of this machine cannot be required"):
        lock(repository, f"helper @ {path.as_uri()}", image=IMAGE)
    assert "helper" not in "".join(index.asked)


def test_a_module_that_python_has_no_longer_is_named(
    repository: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    old = b"'''\nfrom and to\n'''\nimport re\nimport asyncore\ndef f():\n    import imp\n"
    mild = b"try:\n    import asyncore\nexcept ImportError:\n    asyncore = None\n"
    add(index, "old", "1.0", files={"old/__init__.py": b"from .server import x\n", "old/server.py": old})
    add(index, "mild", "1.0", files={"mild.py": mild, "mild/tests/a.py": b"import imp", "broken.py": b"import \xff("})
    frozen(repository, "old", "mild")
    output = capsys.readouterr().out
    assert "  old 1.0: old/server.py imports asyncore, removed in Python 3.12: require a later release" in output
    assert output.count("removed in Python") == 1
    frozen(repository, "old", "mild")
    assert "removed in Python" not in capsys.readouterr().out


def test_a_wheel_that_does_not_allow_the_images_python_is_named(repository: Path, index: PackageIndex) -> None:
    """An upper bound, which uv ignores and pip does not."""
    index.add_file("capped-1.0-py3-none-any.whl", write_wheel("capped", "1.0", python=">=3.8,<3.12"))
    index.add_file("fits-1.0-py3-none-any.whl", write_wheel("fits", "1.0", python="<3.13"))
    with pytest.raises(LockError) as refusal:
        lock(repository, "capped", "fits", image=IMAGE)
    assert refusal.value.problem == (
        "capped 1.0: it does not allow the image's Python 3.12: Requires-Python is >=3.8,<3.12"
    )
    assert lock(repository, "fits", image=IMAGE).pins
