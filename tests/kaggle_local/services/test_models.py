"""`kaggle models` with its variations and versions, each subcommand as a subprocess, and kagglehub."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.storage import Version

from tests.kaggle_local.conftest import Kaggle, client_environment
from tests.kaggle_local.kernels import processed

MODEL = f"{USERNAME}/leaf-model"
VARIATION = f"{MODEL}/pyTorch/small"
STORED = f"{MODEL}/pytorch/small"


def write_model(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    metadata = {
        "ownerSlug": USERNAME,
        "title": "Leaf model",
        "slug": "leaf-model",
        "subtitle": "of leaves",
        "isPrivate": True,
        "description": "What it is",
        "publishTime": "",
        "provenanceSources": "",
    }
    (folder / "model-metadata.json").write_text(json.dumps({**metadata, **changes}))
    return folder


def write_variation(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    metadata = {
        "ownerSlug": USERNAME,
        "modelSlug": "leaf-model",
        "instanceSlug": "small",
        "framework": "pyTorch",
        "overview": "A small one",
        "usage": "torch.load",
        "licenseName": "Apache 2.0",
        "fineTunable": True,
        "trainingData": ["leaves"],
    }
    (folder / "model-instance-metadata.json").write_text(json.dumps(metadata))
    for name, content in files.items():
        (folder / f"{name}.bin").write_bytes(content)
    return folder


def wait(local: LocalKaggle, number: int) -> Version:
    return processed(local, number, ref=STORED, kind="variation")


@pytest.fixture
def variation(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> Path:
    """A model with a variation of one version."""
    kaggle("models", "create", "-p", str(write_model(tmp_path / "model")))
    folder = write_variation(tmp_path / "variation", weights=b"one")
    kaggle("models", "variations", "create", "-p", str(folder))
    assert wait(local, 1).status == "ready"
    return folder


def test_a_model_is_created_shown_changed_listed_and_deleted(
    local: LocalKaggle, kaggle: Kaggle, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model")
    assert "Your model was created" in kaggle("models", "create", "-p", str(folder)).stdout
    assert "already used" in kaggle("models", "create", "-p", str(folder)).stdout
    kaggle("models", "get", MODEL, "-p", str(tmp_path))
    assert json.loads((tmp_path / "model-metadata.json").read_text())["description"] == "What it is"
    assert MODEL in kaggle("models", "list", "--owner", USERNAME, "--csv").stdout
    assert MODEL not in kaggle("models", "list", "--csv", user="somebody").stdout, "it is private"
    kaggle("models", "update", "-p", str(write_model(tmp_path / "model", title="Our model", isPrivate=False)))
    assert "Our model" in kaggle("models", "list", "--csv", user="somebody").stdout
    kaggle("models", "delete", MODEL, "--yes", user="somebody", code=1)
    kaggle("models", "delete", MODEL, "--yes")
    assert local.storage.resources.get("model", MODEL) is None


def test_a_variation_is_shown_changed_listed_and_deleted(
    local: LocalKaggle, kaggle: Kaggle, variation: Path, tmp_path: Path
) -> None:
    kaggle("models", "variations", "get", VARIATION, "-p", str(tmp_path))
    shown = json.loads((tmp_path / "model-instance-metadata.json").read_text())
    assert (shown["overview"], shown["versionNumber"], shown["fineTunable"]) == ("A small one", 1, True)
    assert "weights.bin,3B," in kaggle("models", "variations", "files", VARIATION, "--csv").stdout
    assert "\n1," in kaggle("models", "variations", "list", MODEL, "--csv").stdout
    metadata = json.loads((variation / "model-instance-metadata.json").read_text())
    (variation / "model-instance-metadata.json").write_text(json.dumps({**metadata, "overview": "A changed one"}))
    kaggle("models", "variations", "update", "-p", str(variation))
    resource = local.storage.resources.get("variation", STORED)
    assert resource is not None
    assert resource.details["overview"] == "A changed one"
    kaggle("models", "variations", "delete", VARIATION, "--yes")
    assert local.storage.resources.get("variation", STORED) is None
    assert not (local.storage.root / "models" / STORED).exists()


def test_versions_are_created_listed_downloaded_and_deleted(
    local: LocalKaggle, kaggle: Kaggle, variation: Path, tmp_path: Path
) -> None:
    (variation / "weights.bin").write_bytes(b"two, and longer")
    kaggle("models", "variations", "versions", "create", VARIATION, "-p", str(variation), "-n", "longer")
    assert wait(local, 2).notes == "longer"
    assert "weights.bin,15," in kaggle("models", "variations", "versions", "files", f"{VARIATION}/2", "--csv").stdout
    listed = kaggle("models", "variations", "versions", "list", VARIATION, "--csv").stdout
    assert [line.split(",")[0] for line in listed.split()[1:] if line[0].isdigit()] == ["2", "1"]
    for number, content in ((1, b"one"), (2, b"two, and longer")):
        folder = tmp_path / str(number)
        kaggle("models", "variations", "versions", "download", f"{VARIATION}/{number}", "-p", str(folder), "--untar")
        assert (folder / "weights.bin").read_bytes() == content
    kaggle("models", "variations", "versions", "delete", f"{VARIATION}/2", "--yes")
    kaggle("models", "variations", "versions", "create", VARIATION, "-p", str(variation), "-n", "")
    assert wait(local, 3).status == "ready"
    assert [v.number for v in local.storage.resources.versions("variation", STORED)] == [1, 3], "no number comes again"
    kaggle("models", "variations", "versions", "delete", f"{VARIATION}/1", "--yes")
    kaggle("models", "variations", "versions", "delete", f"{VARIATION}/3", "--yes")
    assert local.storage.resources.get("variation", STORED) is None, "its last version is gone"


# kagglehub


Hub = Callable[[str], str]


@pytest.fixture
def hub(local: LocalKaggle, tmp_path: Path) -> Hub:
    """Run a few lines with kagglehub; return what they print last."""

    def run(source: str) -> str:
        environment = client_environment(local, KAGGLEHUB_CACHE=str(tmp_path / "cache"))
        result = subprocess.run(
            [sys.executable, "-c", f"import kagglehub\n{source}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip().splitlines()[-1] if result.stdout.strip() else ""

    return run


def fill(folder: Path, count: int) -> dict[str, bytes]:
    """Write files of many kinds of name and content, some in folders; return them by path."""
    files = {f"file {n}.bin": bytes([n % 256]) * n * 1000 for n in range(count)}
    files |= {"archive/a.txt": b"a", "inner/deeper/b.txt": b"b" * 100_000, "empty": b""}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files


def read(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("count", [pytest.param(5, marks=pytest.mark.nightly), 60])
def test_kagglehub_uploads_and_downloads_a_dataset(count: int, local: LocalKaggle, hub: Hub, tmp_path: Path) -> None:
    """Beyond fifty files it packs them into one archive."""
    files = fill(tmp_path / "files", count)
    handle = f"{USERNAME}/hub-data"
    upload = f"kagglehub.dataset_upload({handle!r}, {str(tmp_path / 'files')!r}, version_notes='again')"
    hub(upload)
    processed(local, 1, "hub-data")
    assert read(hub(f"print(kagglehub.dataset_download({handle!r}))")) == files
    (tmp_path / "files" / "empty").write_text("no longer")
    hub(upload)
    assert processed(local, 2, "hub-data").notes == "again"
    assert Path(hub(f"print(kagglehub.dataset_download({handle!r}, path='empty'))")).read_text() == "no longer"
    assert read(hub(f"print(kagglehub.dataset_download('{handle}/versions/1'))")) == files


TAR = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="kagglehub unpacks with Python 3.11.4 and newer")


@pytest.mark.parametrize("count", [pytest.param(5, marks=pytest.mark.nightly), pytest.param(30, marks=TAR)])
def test_kagglehub_uploads_and_downloads_a_model(count: int, local: LocalKaggle, hub: Hub, tmp_path: Path) -> None:
    """Up to twenty-five files it fetches one by one, beyond that an archive."""
    files = fill(tmp_path / "files", count)
    upload = f"kagglehub.model_upload({VARIATION!r}, {str(tmp_path / 'files')!r}, 'Apache 2.0')"
    hub(upload)
    assert wait(local, 1).status == "ready"
    assert read(hub(f"print(kagglehub.model_download({VARIATION!r}))")) == files
    (tmp_path / "files" / "empty").write_text("no longer")
    hub(upload)
    assert wait(local, 2).status == "ready"
    assert read(hub(f"print(kagglehub.model_download({VARIATION!r}))")) == {**files, "empty": b"no longer"}


def test_kagglehub_downloads_competitions_and_kernels_output(local: LocalKaggle, hub: Hub, competition: Path) -> None:
    from tests.kaggle_local.kernels import run_script

    local.host(competition)
    run_script(local, "open('out.txt', 'w').write('result')")
    assert read(hub("print(kagglehub.competition_download('leaves'))")) == read(str(competition / "public"))
    assert Path(hub("print(kagglehub.competition_download('leaves', 'test_images/a'))")).read_text() == "public"
    assert read(hub(f"print(kagglehub.notebook_output_download('{USERNAME}/my-kernel'))")) == {"out.txt": b"result"}
