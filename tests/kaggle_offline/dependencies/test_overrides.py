"""The user's choices in ``[freeze]``, on a package index on loopback."""

from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.lock import lock_and_report
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.errors import ConfigurationError, LockError, ProtectedError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.dependencies.locked import IMAGE, lock, versions
from tests.package_index import PackageIndex


def choose(repository: Path, lines: str) -> None:
    settings = repository / "kernels" / "small" / "submission.toml"
    settings.write_text(f"{settings.read_text().partition('[freeze]')[0]}\n[freeze]\n{lines}\n")


@pytest.fixture
def recipe(index: PackageIndex) -> PackageIndex:
    """A server that requires another torch than the image's, and something that the index has not got."""
    index.add("server", "1.0", "torch==2.14", "helper")
    index.add("helper", "1.0")
    index.add("torch", "2.14")
    return index


def test_an_override_takes_the_place_of_what_others_require(
    repository: Path, recipe: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProtectedError):
        lock(repository, "server")
    choose(repository, 'override-dependencies = ["torch>=2"]')
    found = lock(repository, "server")
    assert versions(found) == {"server": "1.0", "helper": "1.0"}
    assert found.provided == {"torch": "2.10.0"}
    assert found.overridden == ("torch>=2",)
    kernel = read_kernel_folder(repository, "small")
    assert "\n# overridden: torch>=2\n" in kernel.lock.read_text()
    assert read_lock(kernel.lock) == found
    lock_and_report([kernel], frozenset())
    assert "  overridden in submission.toml: torch>=2\n" in capsys.readouterr().out
    assert recipe.asked


def test_a_distribution_can_do_without_its_dependencies(repository: Path, recipe: PackageIndex) -> None:
    recipe.add("other", "1.0")
    choose(repository, 'no-deps = ["Server"]')
    found = lock(repository, "server", "other")
    assert versions(found) == {"server": "1.0", "other": "1.0"}
    assert found.overridden == ("server without its dependencies",)
    # install.py does not compare the image with requirements that do not count.
    freeze(read_kernel_folder(repository, "small"))
    manifest = (repository / "build" / "small" / "packages" / "freeze.json").read_text()
    assert "2.14" not in manifest


def test_another_choice_makes_the_lock_stale(repository: Path, recipe: PackageIndex) -> None:
    choose(repository, 'no-deps = ["server"]')
    first = lock(repository, "server")
    choose(repository, 'override-dependencies = ["torch"]')
    assert lock(repository, "server").inputs != first.inputs
    assert recipe.asked


def test_errors_name_what_is_overridden(repository: Path, recipe: PackageIndex) -> None:
    choose(repository, 'override-dependencies = ["helper==9"]\nno-deps = ["other"]')
    with pytest.raises(LockError, match=r"submission\.toml overrides: helper==9, other without its dependencies\."):
        lock(repository, "server", "torch==2.14")
    assert recipe.asked


def test_an_override_that_breaks_the_image_is_the_users_choice(
    repository: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add("keras", "3.1", "h5py>=3.12")
    index.add("h5py", "3.10")
    choose(repository, 'override-dependencies = ["h5py==3.10"]')
    found = lock(repository, "keras", "h5py", image=f"{IMAGE}keras==3.1\nh5py==3.16\n")
    assert versions(found) == {"h5py": "3.10"}
    assert "no longer fit, and the kernel does not use them, or their requirements are overridden: keras" in (
        capsys.readouterr().out
    )


def test_an_override_that_is_no_requirement_is_named(repository: Path) -> None:
    choose(repository, 'override-dependencies = ["numpy 2"]')
    with pytest.raises(ConfigurationError, match=r"freeze\.override-dependencies: 'numpy 2' is not a requirement"):
        read_kernel_folder(repository, "small")


def test_an_override_takes_the_place_of_an_address_and_of_a_version_that_is_not_there(
    repository: Path, index: PackageIndex
) -> None:
    index.add("helper", "2.0")
    choose(repository, 'override-dependencies = ["helper==2.0"]')
    address = index.url.replace("/simple/", "/files/helper-2.0-py3-none-any.whl")
    for requirement in ("helper==9.0", f"helper @ {address}"):
        assert versions(lock(repository, requirement)) == {"helper": "2.0"}
        freeze(read_kernel_folder(repository, "small"))


@pytest.mark.parametrize(
    "lines",
    [
        'override-dependencies = ["foo @ https://me:s3cret@example.org/foo-1-py3-none-any.whl"]',
        '[[freeze.index]]\nname = "my-own"\nurl = "https://example.org/simple?token=s3cret"',
    ],
)
def test_credentials_in_the_choices_are_refused(lines: str, repository: Path, index: PackageIndex) -> None:
    choose(repository, lines)
    with pytest.raises(LockError, match="credentials") as refusal:
        lock(repository, "helper")
    assert "s3cret" not in str(refusal.value)
    assert index.url


def test_names_of_indexes_are_plain_and_differ(repository: Path) -> None:
    index = '[[freeze.index]]\nname = "a"\nurl = "https://example.org/simple"\n'
    choose(repository, index + index)
    with pytest.raises(ConfigurationError, match=r"freeze\.index: two have the same name"):
        read_kernel_folder(repository, "small")
    choose(repository, index.replace('"a"', '"my own"'))
    with pytest.raises(ConfigurationError, match=r"freeze\.index"):
        read_kernel_folder(repository, "small")
