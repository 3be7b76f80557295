"""Served competitions: which files are the gateway and its server, and the stand-in for them."""

import json
from pathlib import Path

import pytest
from kaggle_offline.competition.served import Gateway, add_stand_in, default_paths, gateway_among, read_gateway
from kaggle_offline.repository.submission_toml import HoldOut


@pytest.mark.parametrize(
    ("names", "gateway"),
    [
        (["train.csv"], ""),
        (["kaggle_evaluation/core/base_gateway.py", "kaggle_evaluation/core/relay.py"], ""),
        (["kaggle_evaluation/__init__.py", "kaggle_evaluation/x_gateway.py"], "kaggle_evaluation/x_gateway.py"),
        (["kaggle_evaluation/x_2/x_gateway.py"], "kaggle_evaluation/x_2/x_gateway.py"),
        (["code/kaggle_evaluation/x_gateway.py", "x_gateway.py"], ""),
    ],
)
def test_the_gateway_is_found_among_the_files(names: list[str], gateway: str) -> None:
    assert gateway_among(names) == gateway


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ("self.folder = Path(__file__).parent.parent", ("",)),
        ("self.folder = '/kaggle/input/some-competition/'", ("",)),
        ("self.test = '/kaggle/input/some-competition/test.parquet'", ("test.parquet",)),
        ("self.a = '/kaggle/input/x/b/c.csv'; self.b = '/kaggle/input/competitions/x/a.csv'", ("b/c.csv", "a.csv")),
        ("self.a = '/kaggle/input/x/a.csv' or '/kaggle/input/x/a.csv'", ("a.csv",)),
        ("self.a = '/kaggle/working/a.csv'", ("",)),
    ],
)
def test_default_paths_are_those_that_the_gateway_names(body: str, paths: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "x_gateway.py"
    file.write_text(
        f"OTHER = '/kaggle/input/x/other.csv'\nclass G:\n    def unpack_data_paths(self):\n        {body}\n"
    )
    assert default_paths(file) == paths


def test_files_that_are_no_python_name_nothing(tmp_path: Path) -> None:
    (tmp_path / "kaggle_evaluation").mkdir()
    (tmp_path / "kaggle_evaluation" / "x_gateway.py").write_bytes(b"\0def")
    assert read_gateway(tmp_path, "kaggle_evaluation/x_gateway.py") == Gateway(
        path="kaggle_evaluation/x_gateway.py", module="kaggle_evaluation.x_inference_server", server="InferenceServer"
    )


def test_the_stand_in_has_the_host_s_names(tmp_path: Path) -> None:
    gateway = "kaggle_evaluation/attack_1/attack_gateway.py"
    rehearsal = HoldOut(train="train.csv", target=("y",), metric="mae", group="day", gateway=gateway)
    add_stand_in(tmp_path, rehearsal, "test.csv", "id", ["y"])
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "kaggle_evaluation/__init__.py",
        "kaggle_evaluation/stand_in.json",
        gateway,
        "kaggle_evaluation/attack_1/attack_inference_server.py",
        "kaggle_evaluation/core/__init__.py",
        "kaggle_evaluation/core/relay.py",
        "kaggle_evaluation/core/templates.py",
    }
    settings = json.loads((tmp_path / "kaggle_evaluation" / "stand_in.json").read_text())
    assert settings == {"test": "test.csv", "id": "id", "columns": ["y"], "batch": "day"}
