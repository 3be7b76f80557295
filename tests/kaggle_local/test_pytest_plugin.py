"""The plugin, as another project uses it: installed, its fixtures asked for by name."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import json

import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.faults import Fault


def upload(kaggle_api, folder):
    (folder / "file.txt").write_text("hello")
    metadata = {"id": "kaggler/their-data", "title": "Their data", "licenses": [{"name": "unknown"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    return kaggle_api.dataset_create_new(str(folder), quiet=True)


@pytest.mark.parametrize("time", [1, 2])
def test_each_test_has_a_kaggle_of_its_own(kaggle_api, tmp_path, time):
    assert upload(kaggle_api, tmp_path).status == "ok"
    assert [d.ref for d in kaggle_api.dataset_list(mine=True)] == ["kaggler/their-data"]


def test_faults_come_about(local_kaggle, kaggle_api):
    local_kaggle.faults.add(Fault(on="datasets.DatasetApiService/ListDatasets", status=418))
    with pytest.raises(Exception, match="418|on demand"):
        kaggle_api.dataset_list(mine=True)


class TestSlow:
    @pytest.fixture
    def kaggle_behaviour(self):
        return Behaviour(processing_seconds=600)

    def test_behaviour_is_the_tests_to_choose(self, kaggle_api, tmp_path):
        upload(kaggle_api, tmp_path)
        assert kaggle_api.dataset_status("kaggler/their-data") == "blobs_received"
"""


def test_another_projects_tests_use_it(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if "KAGGLE" not in name}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "4 passed" in result.stdout, result.stdout + result.stderr
