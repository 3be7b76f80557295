"""Further package indexes, one of them with a password, on loopback."""

from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.dependencies.locked import lock, versions
from tests.package_index import PackageIndex, package_index

SECRET = "s3cret-of-the-index"


def choose(repository: Path, url: str) -> None:
    settings = repository / "kernels" / "small" / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[[freeze.index]]\nname = "my-own"\nurl = "{url}"\n')


@pytest.mark.parametrize("password", ["", SECRET])
def test_a_distribution_of_another_index_is_locked_and_shipped(
    password: str,
    repository: Path,
    index: PackageIndex,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    index.add("usual", "1.0")
    with package_index(password=password) as other:
        other.add("private-kit", "2.0", "usual")
        choose(repository, other.url)
        if password:
            monkeypatch.setenv("UV_INDEX_MY_OWN_USERNAME", "me")
            monkeypatch.setenv("UV_INDEX_MY_OWN_PASSWORD", password)
        found = lock(repository, "private-kit")
        assert versions(found) == {"private-kit": "2.0", "usual": "1.0"}
        assert found.indexes == (f"my-own {other.url}",)
        kernel = read_kernel_folder(repository, "small")
        assert read_lock(kernel.lock) == found
        frozen = freeze(kernel)
    assert "private_kit-2.0-py3-none-any.whl" in frozen.packages.files
    written = [path for path in repository.rglob("*") if path.is_file()]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert SECRET not in "".join(capsys.readouterr())


def test_without_its_password_an_index_is_named_without_it(repository: Path, index: PackageIndex) -> None:
    assert index.url
    with package_index(password=SECRET) as other:
        other.add("private-kit", "2.0")
        choose(repository, other.url)
        with pytest.raises(Exception, match="private-kit") as refusal:
            lock(repository, "private-kit")
    assert SECRET not in str(refusal.value)
