"""Requirements that only years-old releases meet on the image, with a package index on loopback."""

import time
from pathlib import Path

import pytest
from kaggle_offline.errors import ProtectedError
from kaggle_offline.progress import reporting

from tests.kaggle_offline.dependencies.locked import lock, versions
from tests.package_index import PackageIndex


def test_a_release_that_is_years_old_gives_way_to_one_that_replaces_something_unprotected(
    repository: Path, index: PackageIndex
) -> None:
    index.add("tuner", "2024.8", day="2024-08-01")
    index.add("tuner", "2026.1", "datasets>=4.7", "torch>=2.4", day="2026-01-10")
    index.add("datasets", "4.8", day="2025-12-01")
    found = lock(repository, "tuner")
    assert versions(found) == {"tuner": "2026.1", "datasets": "4.8"}
    assert [(item.name, item.reason) for item in found.replaced] == [
        ("datasets", "tuner 2026.1 requires datasets>=4.7")
    ]
    assert found.provided == {"torch": "2.10.0"}


@pytest.mark.parametrize("through", ["", "helper"])
def test_a_release_that_is_years_old_is_reported_where_only_protected_versions_keep_it(
    through: str, repository: Path, index: PackageIndex
) -> None:
    index.add("server", "0.1.2", day="2023-06-20")
    index.add("server", "0.33", "torch==2.14", "datasets>=4.7", day="2026-01-10")
    index.add("helper", "1.0", "server", day="2026-01-10")
    index.add("datasets", "4.8", day="2025-12-01")
    index.add("torch", "2.14", day="2025-12-01")
    with pytest.raises(ProtectedError) as refusal:
        lock(repository, through or "server")
    assert refusal.value.problem == (
        "server: only 0.1.2 of 2023-06-20 fits the image's protected versions\n"
        "  server 0.33 would replace torch 2.10.0 → 2.14"
    )
    hint, _, line = refusal.value.cure.partition("\nprotected = ")
    assert hint == "Either require server==0.1.2; or ship the others: in submission.toml, write\n[freeze]"
    assert '"torch"' not in line
    assert '"numpy", "scipy"' in line

    # Both ways lead to a lock.
    assert versions(lock(repository, "server==0.1.2")) == {"server": "0.1.2"}
    (repository / "requirements" / "small.txt").unlink()
    settings = repository / "kernels" / "small" / "submission.toml"
    settings.write_text(f"{settings.read_text()}\n[freeze]\nprotected = {line}\n")
    assert versions(lock(repository, "server")) == {"server": "0.33", "torch": "2.14", "datasets": "4.8"}


@pytest.mark.parametrize(
    ("day", "requirement"),
    [
        pytest.param("2025-06-01", "server", id="less than a year"),
        pytest.param("2023-06-20", "server<0.2", id="asked for"),
        pytest.param("2023-06-20", "server; sys_platform == 'win32'", id="elsewhere"),
    ],
)
def test_an_old_release_that_is_wanted_is_locked(
    day: str, requirement: str, repository: Path, index: PackageIndex
) -> None:
    index.add("server", "0.1.2", day=day)
    index.add("server", "0.33", "torch==2.14", day="2026-01-10")
    index.add("torch", "2.14", day="2025-12-01")
    assert versions(lock(repository, requirement)) in ({"server": "0.1.2"}, {})


def test_a_pin_of_an_earlier_lock_stays_however_old_it_is(repository: Path, index: PackageIndex) -> None:
    index.add("server", "0.1.2", day="2023-06-20")
    lock(repository, "server")
    index.add("server", "0.33", "torch==2.14", day="2026-01-10")
    index.add("torch", "2.14", day="2025-12-01")
    index.add("other", "1.0")
    assert versions(lock(repository, "server", "other")) == {"server": "0.1.2", "other": "1.0"}


def test_the_metadata_of_wheels_are_enough_to_name_a_reason(repository: Path, index: PackageIndex) -> None:
    index.add("tuner", "2026.1", "datasets>=4.7")
    index.add("datasets", "4.8")
    lock(repository, "tuner")
    assert "/files/tuner-2026.1-py3-none-any.whl.metadata" in index.asked
    assert "/files/tuner-2026.1-py3-none-any.whl" not in index.asked


def test_without_metadata_beside_them_the_wheels_are_read(repository: Path, index: PackageIndex) -> None:
    index.serves_metadata = False
    index.add("tuner", "2026.1", "datasets>=4.7")
    index.add("datasets", "4.8")
    (replaced,) = lock(repository, "tuner").replaced
    assert replaced.reason == "tuner 2026.1 requires datasets>=4.7"


def test_what_takes_long_says_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kaggle_offline.progress._SECONDS", 0.05)
    with reporting("resolving") as say:
        time.sleep(0.08)
        say("building")
        time.sleep(0.08)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  0 s: resolving"
    assert lines[-1] == "  0 s: building"
