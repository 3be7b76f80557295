"""Images: captured from inside a kernel, and compared by what matters to the locks."""

import json
from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.errors import ConfigurationError, RehearsalError, RunError
from kaggle_offline.observation.capture import _read_report, capture
from kaggle_offline.observation.comparison import compare
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder
from packaging.utils import canonicalize_name

from tests.kaggle_offline.conftest import require


@pytest.fixture
def kernel(rehearsed: Path) -> KernelFolder:
    return read_kernel_folder(rehearsed, "small")


@pytest.mark.nightly
def test_a_captured_image_is_what_the_local_one_holds(kernel: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    # six is shipped, pluggy is not: the image that the rehearsal builds has it.
    kernel.image.write_text(kernel.image.read_text() + "pluggy==1.5.0\n")
    require(kernel.repository, "packaging", "pluggy", "six")
    frozen = freeze(kernel)
    with open_target("local", kernel.repository) as target:
        assert isinstance(target, LocalTarget)
        target.prepare(kernel, frozen)
        capture(target, kernel.repository, "captured", gpu=False)
        output = capsys.readouterr().out
        image = read_image_manifest(kernel.repository / "requirements" / "images" / "captured.txt")
        assert image.python == frozen.python
        assert str(image.pins[canonicalize_name("pluggy")]) == "1.5.0"
        assert {"pip", "ipykernel", "packaging"} <= set(image.pins)
        assert "small" not in image.pins
        assert image.header["uv"] == "yes"
        assert image.header["accelerator"] == "cpu"
        assert image.header["source"] == "kaggler/capture-of-image-captured version 1 on local, from inside"
        assert f"images/captured.txt: {len(image.pins)} distributions, Python {image.header['python']}" in output

        # A lock for it ships nothing that it has.
        settings = kernel.folder / "submission.toml"
        settings.write_text(settings.read_text().replace('image = "small"', 'image = "captured"'))
        locked = lock_kernel(read_kernel_folder(kernel.repository, "small"))
        assert not {pin.name for pin in locked.lock.pins} & set(image.pins)
        assert {"packaging", "pluggy"} <= set(locked.lock.provided)

        # Once more, it is the same image, and that is said.
        capsys.readouterr()
        capture(target, kernel.repository, "captured", gpu=False)
        assert "captured → captured\n  small: none of its distributions changed" in capsys.readouterr().out


@pytest.mark.nightly
def test_the_local_kaggle_has_no_image_to_capture_before_it_is_given_one(kernel: KernelFolder) -> None:
    with open_target("local", kernel.repository) as target:
        with pytest.raises(RehearsalError, match="has no image yet"):
            capture(target, kernel.repository, "captured", gpu=False)
        assert isinstance(target, LocalTarget)
        target.prepare(kernel, freeze(kernel))
        with pytest.raises(ConfigurationError, match=r"small\.txt: is not the local Kaggle's image"):
            capture(target, kernel.repository, "small", gpu=False)


@pytest.mark.parametrize("name", ["", "../x", "UPPER", "a b", "x" * 40])
def test_an_image_has_a_plain_name(name: str, kernel: KernelFolder) -> None:
    with open_target("local", kernel.repository) as target, pytest.raises(ConfigurationError, match="not a name"):
        capture(target, kernel.repository, name, gpu=False)


@pytest.mark.parametrize(
    "report",
    [
        "",
        "[]",
        "{}",
        '{"python": "3.12", "libc": ["musl", ""], "machine": "x86_64", "uv": true, "distributions": []}',
        '{"python": "3.12", "libc": ["glibc", "2.35"], "machine": "x86_64", "uv": true, "distributions": [[1, 2]]}',
    ],
)
def test_a_report_that_is_none_is_named(report: str, tmp_path: Path) -> None:
    path = tmp_path / "image.json"
    path.write_text(report)
    with pytest.raises(RunError, match=r"image\.json: not a report of an image"):
        _read_report(path)


REPORT = {
    "python": "3.12.13",
    "libc": ["glibc", "2.35"],
    "machine": "x86_64",
    "uv": False,
    "distributions": [],
    "docker_image": "",
    "git_commit": "",
    "build_date": "",
    "devices": [],
}


def test_a_version_that_is_none_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.json"
    path.write_text(json.dumps(REPORT | {"distributions": [["Good", "1.0"], ["bad", "not-a-version"]]}))
    header, pins = _read_report(path)
    assert pins == {"good": "1.0"}
    assert (header["platform"], header["uv"]) == ("manylinux_2_35_x86_64", "no")
    assert "bad not-a-version: not a version, left out" in capsys.readouterr().out


def test_two_images_are_compared_by_what_matters_to_the_locks(repository: Path) -> None:
    lock_kernel(read_kernel_folder(repository, "small"))
    folder = repository / "requirements" / "images"
    text = (folder / "small.txt").read_text()
    text = (
        text.replace("3.12.13", "3.13.1")
        .replace("packaging==24.2", "packaging==25.0")
        .replace("numpy==2.0.2+cu128\n", "")
    )
    (folder / "newer.txt").write_text(text + "iniconfig==2.1.0\nattrs==25.1.0\n")
    assert compare(repository, "small", "newer", everything=False).splitlines() == [
        "small → newer",
        "  python: 3.12.13 → 3.13.1",
        "  small: 2 of its distributions changed",
        "    iniconfig absent → 2.1.0 (shipped)",
        "    packaging 24.2 → 25.0 (provided)",
        "  1 others new (--all lists them)",
        "  1 others removed (--all lists them)",
    ]
    everything = compare(repository, "small", "newer", everything=True)
    assert "    attrs absent → 25.1.0" in everything
    assert "    numpy 2.0.2+cu128 → removed" in everything
    with pytest.raises(ConfigurationError, match="no such image"):
        compare(repository, "small", "nowhere", everything=False)


IDENTITY = {
    "docker_image": "gcr.io/kaggle-private-byod/python@sha256:" + "0" * 64,
    "git_commit": "fc61d5c0",
    "build_date": "20260629-143000",
    "devices": ["Tesla T4", "Tesla T4"],
}


def test_a_capture_says_which_image_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "image.json"
    path.write_text(json.dumps(REPORT | IDENTITY))
    header, _ = _read_report(path)
    assert header | {"docker-image": IDENTITY["docker_image"], "devices": "Tesla T4, Tesla T4"} == header
    assert (header["git-commit"], header["build-date"]) == ("fc61d5c0", "20260629-143000")
    # Text of a kernel that could be taken for another line of the manifest, or is of no known form, is left out.
    path.write_text(json.dumps(REPORT | IDENTITY | {"docker_image": "kaggle-local", "git_commit": "abc\n# python: 2"}))
    header, _ = _read_report(path)
    assert not {"docker-image", "git-commit"} & set(header)


def test_a_capture_confirms_a_derived_image(repository: Path) -> None:
    folder = repository / "requirements" / "images"
    derived = (folder / "small.txt").read_text().replace("# platform", "# estimated: packaging\n# platform")
    (folder / "small.txt").write_text(derived + "attrs==25.1.0\n")
    captured = derived.replace("# estimated: packaging", "# source: me/capture version 1 on kaggle, from inside")
    (folder / "captured.txt").write_text(captured.replace("packaging==24.2", "packaging==25.0"))
    assert compare(repository, "small", "captured", everything=True).splitlines() == [
        "small → captured",
        "  confirmed: 1 of 2 published versions, 0 of 1 estimated versions",
        "  1 others changed",
        "    packaging 24.2 (estimated) → 25.0",
        "  1 others removed",
        "    attrs 25.1.0 → removed",
    ]
