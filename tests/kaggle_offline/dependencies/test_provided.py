"""The requirements on the image: whose they are, and when an estimated version satisfies them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.commands.lock import lock_and_report
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.dependencies.provided import opposites, requirements_on, uncertain
from kaggle_offline.dependencies.wheels import Wheel
from kaggle_offline.errors import LockError
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.kaggle_offline.conftest import REPOSITORY, require

PACKAGING, NUMPY = canonicalize_name("packaging"), canonicalize_name("numpy")


@pytest.fixture
def kernel(repository: Path) -> KernelFolder:
    return read_kernel_folder(repository, "small")


@pytest.fixture
def image(kernel: KernelFolder) -> ImageManifest:
    return read_image_manifest(kernel.image)


def wheel(name: str, *requirements: str) -> Wheel:
    return Wheel(
        path=Path(f"{name}.whl"),
        name=canonicalize_name(name),
        version="1.0",
        requirements=requirements,
        requires_python="",
    )


def texts(image: ImageManifest, wheels: list[Wheel], *extras: str) -> dict[str, dict[str, str]]:
    found = requirements_on([PACKAGING, NUMPY], wheels, extras=extras, image=image)
    return {name: {requirer: str(specifier) for requirer, specifier in by.items()} for name, by in found.items()}


def test_the_requirements_of_all_wheels_are_collected(image: ImageManifest) -> None:
    wheels = [wheel("small", "packaging>=22", "Packaging<30", "other"), wheel("other", "packaging", "absent>=3")]
    assert texts(image, wheels) == {"packaging": {"small 1.0": "<30,>=22", "other 1.0": ""}}


def test_a_requirement_for_another_python_or_extra_does_not_count(image: ImageManifest) -> None:
    lines = ["packaging>=99; python_version < '3'", "numpy>=3; extra == 'more'", "packaging>=22; python_version >= '3'"]
    assert texts(image, [wheel("small", *lines)]) == {"packaging": {"small 1.0": ">=22"}}
    assert texts(image, [wheel("small", *lines)], "more")["numpy"] == {"small 1.0": ">=3"}


def test_an_extra_that_a_wheel_requires_of_another_counts(image: ImageManifest) -> None:
    other = wheel("other", "numpy>=2; extra == 'fast'", "third[all]; extra == 'fast'")
    third = wheel("third", "packaging>=24; extra == 'all'")
    assert texts(image, [wheel("small", "other"), other, third]) == {}
    assert texts(image, [wheel("small", "other[fast]"), other, third]) == {
        "numpy": {"other 1.0": ">=2"},
        "packaging": {"third 1.0": ">=24"},
    }


VERSIONS = st.lists(st.integers(0, 3), min_size=2, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@given(
    operator=st.sampled_from([">=", "<", "<=", ">", "==", "!=", "~="]),
    bound=VERSIONS,
    wild=st.booleans(),
    version=VERSIONS,
)
def test_a_version_satisfies_a_clause_or_one_of_its_opposites(
    *, operator: str, bound: str, wild: bool, version: str
) -> None:
    clause = Specifier(f"{operator}{bound}{'.*' if wild and operator in ('==', '!=') else ''}")
    violates = any(SpecifierSet(opposite).contains(version) for opposite in opposites(clause))
    assert violates != clause.contains(Version(version))


# The year before has 25.0, of April 2025, and not 24.2, of November 2024.
ESTIMATED = "# date: 2026-01-01\n# estimated: packaging\n# platform"


@pytest.mark.parametrize(
    ("requirement", "certain"),
    [
        ("packaging", True),
        ("packaging>=25", True),
        ("packaging!=24.2", True),
        ("packaging<26,>=22", True),
        ("packaging==25.0", True),
        ("packaging>25", False),
        ("packaging!=25.0", False),
        ("packaging~=24.0", False),
    ],
)
def test_an_estimate_is_certain_if_every_release_of_a_year_fits(
    *, requirement: str, certain: bool, kernel: KernelFolder
) -> None:
    kernel.image.write_text(kernel.image.read_text().replace("# platform", ESTIMATED))
    image = read_image_manifest(kernel.image)
    required = requirements_on([PACKAGING], [wheel("small", requirement)], extras=(), image=image)
    assert (not uncertain(required, image)) == certain


def test_an_index_that_does_not_say_makes_nothing_certain(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.image.write_text(kernel.image.read_text().replace("# platform", ESTIMATED))
    image = read_image_manifest(kernel.image)
    required = requirements_on([PACKAGING], [wheel("small", "packaging>=25")], extras=(), image=image)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(kernel.repository / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(LockError, match=r"packaging<25: the releases before 2026-01-01 are not known"):
        uncertain(required, image)


def test_without_a_date_no_estimate_is_certain(kernel: KernelFolder) -> None:
    kernel.image.write_text(kernel.image.read_text().replace("# platform", "# estimated: packaging\n# platform"))
    image = read_image_manifest(kernel.image)
    required = requirements_on([PACKAGING], [wheel("small", "packaging>=1")], extras=(), image=image)
    assert uncertain(required, image) == {"packaging": "small 1.0 requires packaging>=1"}


def test_what_is_uncertain_is_shipped_and_the_table_says_so(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    text = kernel.image.read_text().replace("packaging==24.2", "packaging==25.0")
    kernel.image.write_text(text.replace("# platform", ESTIMATED))
    require(kernel.repository, "packaging>=25")
    lock_and_report([kernel], frozenset())
    assert re.search(r"\n  packaging +25\.0 +provided, estimated\n", capsys.readouterr().out)

    # The image's own release may be one from before.
    require(kernel.repository, "packaging!=24.2,>24")
    kernel.image.write_text(kernel.image.read_text().replace("2026-01-01", "2025-05-01"))
    locked = lock_kernel(kernel)
    assert {pin.name for pin in locked.lock.pins} == {"packaging"}
    lock_and_report([kernel], frozenset())
    why = "replaced, its version is estimated, and small 1.0 requires packaging!=24.2,>24"
    assert why in capsys.readouterr().out

    # Protected distributions are never shipped.
    settings = kernel.folder / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[freeze]\nprotected = ["packaging"]\n')
    assert lock_kernel(read_kernel_folder(kernel.repository, "small")).lock.provided == {"packaging": "25.0"}


@pytest.mark.nightly
def test_a_stack_that_an_expert_assembled_is_locked_alike(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A competitor put this wheelhouse together from measurements inside the image."""
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2026-09-25T00:00:00Z")
    kernel.image.write_text((REPOSITORY / "requirements" / "images" / "kaggle-gpu-2026-06.txt").read_text())
    require(kernel.repository, "unsloth>=2026.9", "trl", "bitsandbytes", "xformers")
    lock = lock_kernel(kernel).lock
    added = "bitsandbytes cut-cross-entropy hf-transfer msgspec structlog trl tyro unsloth unsloth-zoo xformers"
    replaced = "datasets dill torchao transformers"
    assert {pin.name for pin in lock.pins} == {*added.split(), *replaced.split()}
    assert {each.name for each in lock.replaced} == {*replaced.split()}
