"""What people write: read when it fits, named when it does not, whatever bytes it is made of."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_offline.checkpoints import list_checkpoints
from kaggle_offline.errors import (
    BuildError,
    CheckpointError,
    ConfigurationError,
    LockError,
    OfflineError,
    UnknownCompetitionError,
)
from kaggle_offline.image_manifest import read_image_manifest
from kaggle_offline.kernel_folder import read_kernel_folder
from kaggle_offline.lock import read_lock
from kaggle_offline.notebook import digest_of_source, read_notebook
from kaggle_offline.result import read_result
from kaggle_offline.wheel import read_wheel
from packaging.version import Version

from tests.kaggle_offline.conftest import METADATA, SUBMISSION, write_checkpoint

anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def test_a_kernel_folder_is_read(repository: Path) -> None:
    kernel = read_kernel_folder(repository, "small")
    assert kernel.slug == "small-kernel"
    assert kernel.package == repository / "packages" / "small"
    assert kernel.lock == repository / "requirements" / "small.txt"


def test_a_script_without_checkpoints_is_a_kernel(repository: Path) -> None:
    folder = repository / "kernels" / "small"
    (folder / "kernel-metadata.json").write_text(json.dumps({**METADATA, "kernel_type": "script"}))
    (folder / "submission.toml").write_text(SUBMISSION.replace('checkpoints = "checkpoints"\n', ""))
    kernel = read_kernel_folder(repository, "small")
    assert kernel.is_script
    assert kernel.checkpoints is None
    (folder / "submission.toml").write_text(f'{SUBMISSION}[weights]\n"no.ckpt" = 1\n'.replace("checkpoints =", "# "))
    with pytest.raises(ConfigurationError, match=r"weights: no\.ckpt is not among the checkpoints"):
        read_kernel_folder(repository, "small")


def test_an_unknown_competition_is_answered_with_those_there_are(repository: Path) -> None:
    with pytest.raises(UnknownCompetitionError, match=r"no such competition folder\nThere are: small"):
        read_kernel_folder(repository, "large")


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('package = "small"', "package = ", "submission.toml"),
        ('package = "small"\n', "", "package: missing"),
        ('package = "small"', 'package = "../small"', "package: '../small' must be a plain name"),
        ('package = "small"', 'package = "other"', "package: .* is not there"),
        ('output = "submission.csv"', "output = 3", "output: must be a text, is 3"),
        ('checkpoints = "checkpoints"', 'checkpoints = "nowhere"', "checkpoints: .* is not there"),
        ("[rehearsal]", "[rehearsals]", r"\[rehearsal\] is missing"),
        ("competition =", "contest =", "rehearsal.competition: missing"),
        ("[rehearsal]", "[rehearsal]\nmore = 1", "rehearsal.more: unknown key"),
        ("python -m small.competition", "python 'unclosed", "rehearsal.competition: .*No closing quotation"),
        ("python -m small.competition", "  ", "rehearsal.competition: .*no command"),
        ('checkpoints = "checkpoints"', 'checkpoints = "predict.py"', "checkpoints: .* is not there"),
        ('output = "submission.csv"', f'output = "{"x" * 5000}"', "output: .* must be a plain name"),
        ("package", "surprise = 1\npackage", "surprise: unknown key"),
        ("package", "weights = 2\npackage", "weights: must be a table"),
        ("[rehearsal]", "[weights]\n'model.ckpt' = 0\n[rehearsal]", "weights.model.ckpt: 0 must be a number above 0"),
        ("[rehearsal]", "[weights]\n'model.ckpt' = true\n[rehearsal]", "weights.model.ckpt: True must be a number"),
        ("[rehearsal]", "[weights]\n'model.ckpt' = nan\n[rehearsal]", "weights.model.ckpt: nan must be a number"),
        ("[rehearsal]", "[weights]\n'another.ckpt' = 1\n[rehearsal]", "weights: another.ckpt is not among"),
    ],
)
def test_a_malformed_submission_toml_names_the_key(before: str, after: str, named: str, repository: Path) -> None:
    path = repository / "kernels" / "small" / "submission.toml"
    path.write_text(SUBMISSION.replace(before, after, 1))
    with pytest.raises(ConfigurationError, match=named):
        read_kernel_folder(repository, "small")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": None}, "id: missing"),
        ({"id": "small-kernel"}, "id or title"),
        ({"title": "Another title"}, "title: resolves to 'another-title'"),
        ({"title": ["x"]}, "title: must be a text"),
        ({"code_file": "nowhere.py"}, "code_file: nowhere.py is not there"),
        ({"enable_internet": True}, "enable_internet: true"),
        ({"language": "r"}, "language"),
        ({"kernel_type": "markdown"}, r"kernel_type: .markdown.\n.*notebook, script"),
        ({"competition_sources": ["another"]}, "competition_sources"),
        ({"dataset_sources": "owner/data"}, "dataset_sources"),
        ({"enable_internet": 0}, "enable_internet: 0"),
        ({"enable_gpu": "yes"}, "enable_gpu"),
        ({"docker_image": 3}, "docker_image: 3"),
        ({"docker_image_pinning_type": "bogus"}, "docker_image_pinning_type: .bogus."),
    ],
)
def test_a_malformed_metadata_names_the_key(change: dict[str, Any], named: str, repository: Path) -> None:
    metadata = {key: value for key, value in {**METADATA, **change}.items() if value is not None}
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ConfigurationError, match=named):
        read_kernel_folder(repository, "small")


def test_json_nested_beyond_reason_is_malformed(repository: Path) -> None:
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match=r"kernel-metadata\.json"):
        read_kernel_folder(repository, "small")


@pytest.mark.parametrize("name", ["", ".", "..", "/etc", "small/", "x" * 5000])
def test_a_competition_has_a_plain_name(name: str, repository: Path) -> None:
    with pytest.raises(UnknownCompetitionError):
        read_kernel_folder(repository, name)


@pytest.mark.parametrize("name", ["submission.toml", "kernel-metadata.json"])
@anything
@given(content=st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_no_bytes_raise_anything_undocumented(repository: Path, name: str, content: bytes) -> None:
    (repository / "kernels" / "small" / name).write_bytes(content)
    with pytest.raises(OfflineError):
        read_kernel_folder(repository, "small")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@anything
@given(key=st.sampled_from([*METADATA, "dataset_sources", "is_private"]), value=values)
def test_no_value_of_a_key_raises_anything_undocumented(repository: Path, key: str, value: Any) -> None:
    path = repository / "kernels" / "small" / "kernel-metadata.json"
    path.write_text(json.dumps({**METADATA, key: value}))
    try:
        kernel = read_kernel_folder(repository, "small")
    except ConfigurationError as error:
        assert str(path) in error.problem  # noqa: PT017 - some values do fit
    else:
        assert kernel.metadata[key] == value


def test_an_image_manifest_is_read(repository: Path) -> None:
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    assert (image.python, image.platform) == ("3.12", "manylinux_2_35_x86_64")
    assert image.pins == {"packaging": Version("24.2"), "numpy": Version("2.0.2+cu128")}
    assert image.platforms[0] == "manylinux_2_35_x86_64"
    assert "manylinux_2_17_x86_64" in image.platforms
    assert "manylinux2014_x86_64" in image.platforms


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no python"),
        ("# python: 3.12", "no platform"),
        ("# python: 3.12\n# platform: windows", "no platform"),
        ("# python: 3.12\nnumpy>=2", r"small.txt:2: not a pinned distribution: numpy>=2"),
        ("numpy", "not a pinned distribution"),
        ("numpy==1,==2", "not a pinned distribution"),
        ("numpy==2.*", "not a pinned distribution"),
        ("numpy @ https://example.org/x.whl", "not a pinned distribution"),
    ],
)
def test_a_malformed_manifest_is_named(text: str, named: str, repository: Path) -> None:
    path = repository / "requirements" / "images" / "small.txt"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        read_image_manifest(path)


def test_an_unknown_image_is_answered_with_those_there_are(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no such image\nImages there: small"):
        read_image_manifest(repository / "requirements" / "images" / "large.txt")


names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc[0-9])?(\+cu[0-9]{2})?", fullmatch=True)


@anything
@given(pins=st.dictionaries(names, versions, max_size=20))
def test_a_manifest_reads_back_as_written(tmp_path: Path, pins: dict[str, str]) -> None:
    path = tmp_path / "image.txt"
    lines = "".join(f"{name}=={version}\n" for name, version in pins.items())
    path.write_text(f"# python: 3.12\n# platform: manylinux_2_35_x86_64\n{lines}")
    assert read_image_manifest(path).pins == {name: Version(version) for name, version in pins.items()}


@anything
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_undocumented_elsewhere(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_image_manifest(path)
    with pytest.raises(ConfigurationError):
        read_notebook(path)
    with pytest.raises(LockError):
        read_lock(path)
    assert digest_of_source(content.decode(errors="replace")) == ""


@anything
@given(
    lines=st.lists(
        st.sampled_from(
            [b"Name: a", b"Version: 1", b"Requires-Dist: b>=1", b"Requires-Dist: b; extra == 'c'", b"Name:"]
        )
        | st.binary(max_size=20),
        max_size=5,
    ),
    damage=st.integers(-400, 400),
)
def test_no_wheel_raises_anything_undocumented(tmp_path: Path, lines: list[bytes], damage: int) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a-1.dist-info/METADATA", b"\n".join(lines))
    content = bytearray(path.read_bytes())
    if 0 < damage < len(content):
        content[damage] ^= 255
    path.write_bytes(content)
    try:
        assert read_wheel(path).name
    except BuildError as error:
        assert str(path) in error.problem  # noqa: PT017 - some can be read


def test_checkpoints_are_seen_to_be_some(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        list_checkpoints(tmp_path, tmp_path)
    write_checkpoint(tmp_path / "a.ckpt")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    assert [p.name for p in list_checkpoints(tmp_path, tmp_path)] == ["a.ckpt", "a.json"]


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


@pytest.mark.parametrize("entry", [None, [], 3, {}, {"ref": "1"}])
@pytest.mark.parametrize("name", ["packages", "kernel", "run", "submission", "seconds"])
def test_a_result_that_is_not_whole_is_left_out(name: str, entry: object, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"target": "local", name: entry}))
    expected = {"target": "local"}
    assert read_result(tmp_path) == (
        expected | {name: entry} if name == "seconds" and isinstance(entry, dict) else expected
    )
    (tmp_path / "result.json").write_bytes(b"\xff")
    assert read_result(tmp_path) == {}
