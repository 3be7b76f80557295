"""Derived images: the manifests of this repository follow from recorded lists, and agree with what was measured."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kaggle_offline.cli import main
from kaggle_offline.errors import ConfigurationError, LockError, NetworkError
from kaggle_offline.observation.derivation import Recipe, derive, published_lists, read_source
from kaggle_offline.repository.image_manifest import read_image_manifest
from packaging.utils import canonicalize_name

from tests.kaggle_offline.conftest import REPOSITORY
from tests.serving import serving

IMAGES = REPOSITORY / "requirements" / "images"
LISTS = Path(__file__).with_name("image_lists")

JUNE = {
    "python": "3.12.13",
    "date": "2026-06-29",
    "as-of": "2026-06-30",
    "requirements": "kaggle_requirements-2026-06.txt",
    "source": "the Colab runtime of 2026-05-14 as published, what docker-python fc61d5c adds",
}
OCTOBER = {
    "python": "3.13.15",
    "date": "2026-10-03",
    "as-of": "2026-10-02",
    "requirements": "kaggle_requirements-2026-10.txt",
    "source": "the Colab runtime as published on 2026-08-19 (Kaggle built on that of 2026-09-17, which is not "
    "published here), what docker-python adds",
}
BASES = {"2026-06": "2026-05-14", "2026-10": "2026-08-19"}

MEASURED: dict[str, Any] = json.loads((LISTS / "measured-2026-09-24.json").read_text())


@pytest.mark.nightly
@pytest.mark.parametrize("month", ["2026-06", "2026-10"])
@pytest.mark.parametrize("accelerator", ["cpu", "gpu"])
def test_the_manifests_are_derived_from_the_lists(
    accelerator: str, month: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"kaggle-{accelerator}-{month}"
    settings = {**(JUNE if month == "2026-06" else OCTOBER), "base": f"colab-{accelerator}-{BASES[month]}.txt"}
    settings |= {"dockerfile": "Dockerfile.tmpl"}
    digest = read_image_manifest(IMAGES / f"{name}.txt").docker_image
    options = ["--docker-image", digest] if digest else []
    for option, value in settings.items():
        options += [f"--{option}", str(LISTS / value) if (LISTS / value).is_file() else value]
    monkeypatch.chdir(repository)
    assert main(["image", "derive", name, *options, *(["--gpu"] if accelerator == "gpu" else [])]) == 0
    derived = repository / "requirements" / "images" / f"{name}.txt"
    assert derived.read_text().splitlines() == (IMAGES / f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize("name", MEASURED["present"])
def test_a_derived_version_is_the_measured_one(name: str) -> None:
    pins = read_image_manifest(IMAGES / "kaggle-gpu-2026-06.txt").pins
    assert str(pins[canonicalize_name(name)]) == MEASURED["present"][name]


def test_what_was_measured_as_absent_is_not_in_the_derived_image() -> None:
    image = read_image_manifest(IMAGES / "kaggle-gpu-2026-06.txt")
    assert not set(MEASURED["absent"]) & {*image.pins, *image.unlisted}


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_manifest_says_how_well_it_is_known(path: Path) -> None:
    image = read_image_manifest(path)
    assert image.name == image.header["image"]
    assert (image.python, image.platform) in (("3.12", "manylinux_2_35_x86_64"), ("3.13", "manylinux_2_35_x86_64"))
    assert image.estimated <= image.pins.keys()
    assert not image.unlisted & image.pins.keys()
    assert len(image.pins) - len(image.estimated) > 600
    assert ("nvidia-cudnn-cu12" in image.pins) == image.has_gpu == ("-gpu-" in image.name)
    assert not image.is_captured


HEADER = {"python": "3.13.15", "platform": "manylinux_2_35_x86_64", "accelerator": "cpu"}
AS_OF = date(2026, 10, 2)


def derived(
    base: str, requirements: str = "", dockerfile: str = "", **header: str
) -> tuple[dict[str, str], dict[str, str]]:
    recipe = Recipe(base=base, requirements=requirements, dockerfile=dockerfile)
    found, pins = derive(recipe, HEADER | header, as_of=AS_OF)
    return found, {str(name): version for name, version in pins.items()}


def test_the_base_is_preferred_and_what_is_added_is_estimated() -> None:
    header, pins = derived("packaging==24.1\n", "packaging>=24\niniconfig==2.0.0\nsix\n")
    assert pins == {"packaging": "24.1", "iniconfig": "2.0.0", "six": "1.17.0"}
    # An exact pin is as good as a published list.
    assert header["estimated"] == "six"


def test_the_bases_torch_is_held() -> None:
    with pytest.raises(LockError, match=r"cannot be met as of 2026-10-02"):
        derived("torchsummary==1.5.0\n", "torchsummary>=1.5.1\n")


def test_archives_and_repositories_of_the_base_are_known_as_far_as_their_names_tell() -> None:
    lines = [
        "wheel_of @ https://example.org/wheel_of-3.8.0-py3-none-any.whl#sha256=00",
        "google-colab @ file:///dist/google_colab-1.0.0.tar.gz",
        "kernel_gateway @ git+https://github.com/owner/kernel_gateway@b134e99",
        "odd @ https://example.org/latest",
    ]
    header, pins = derived("\n".join(lines), "git+https://github.com/owner/segment-anything.git\n")
    assert pins == {"wheel-of": "3.8.0", "google-colab": "1.0.0"}
    assert header["unlisted"] == "kernel-gateway odd segment-anything"


DOCKERFILE = """\
# RUN pip install commented
RUN uv pip install --system -r /requirements.txt
RUN pip uninstall -y six && \\
    pip install --force-reinstall "packaging<24.2" && echo done
RUN pip install iniconfig
{{ if eq .Accelerator "gpu" }}
RUN uv pip install --system pluggy
{{ else }}
RUN uv pip install --system toml
{{ end }}
RUN uv pip install --system -e ~/src/helper ./wheels/*.whl "git+https://github.com/owner/learntools"
"""


@pytest.mark.parametrize(("accelerator", "added"), [("gpu", "pluggy"), ("cpu", "toml")])
def test_the_commands_of_the_dockerfile_are_followed(accelerator: str, added: str) -> None:
    base = "six==1.16.0\npackaging==23.0\niniconfig==2.0.0\n"
    header, pins = derived(base, dockerfile=DOCKERFILE, accelerator=accelerator)
    assert pins.keys() == {"packaging", "iniconfig", added}
    # A plain install keeps a version that satisfies it; a forced one takes the newest that does.
    assert (pins["packaging"], pins["iniconfig"]) == ("24.1", "2.0.0")
    assert (header["estimated"], header["unlisted"]) == (added, "learntools")


@pytest.mark.parametrize(("base", "requirements"), [("what is this\n", ""), ("", ">=1\n")])
def test_a_malformed_list_is_named(base: str, requirements: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not a pin|not a requirement"):
        derived(base, requirements)


def test_a_list_comes_from_a_file_or_an_address(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("six==1.17.0\n")
    assert read_source(str(tmp_path / "base.txt")) == "six==1.17.0\n"
    with serving(tmp_path) as address:
        assert read_source(f"{address}/base.txt") == "six==1.17.0\n"
        with pytest.raises(NetworkError, match="404"):
            read_source(f"{address}/absent.txt")
    with pytest.raises(ConfigurationError, match="No such file"):
        read_source(str(tmp_path / "absent.txt"))
    assert published_lists(gpu=True)["base"].endswith("/pip-freeze.gpu.txt")
