"""docs/local-kaggle.md says what is and what is not there, and its examples work."""

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.faults import Fault
from kaggle_local.scoring.competition import load_competition
from kaggle_local.scoring.metrics import METRICS, PARAMETERS
from kaggle_local.services import METHODS

PAGE = Path(__file__).parents[2] / "docs" / "local-kaggle.md"

CLIENTS = {
    "blobs.BlobApiService": "kagglesdk.blobs.services.blob_api_service.BlobApiClient",
    "competitions.CompetitionApiService": (
        "kagglesdk.competitions.services.competition_api_service.CompetitionApiClient"
    ),
    "datasets.DatasetApiService": "kagglesdk.datasets.services.dataset_api_service.DatasetApiClient",
    "kernels.KernelsApiService": "kagglesdk.kernels.services.kernels_api_service.KernelsApiClient",
    "models.ModelApiService": "kagglesdk.models.services.model_api_service.ModelApiClient",
    "security.OAuthService": "kagglesdk.security.services.oauth_service.OAuthClient",
}


def methods_of_the_sdk(service: str) -> set[str]:
    """The methods of a service, by the names that go over the wire."""
    module, _, name = CLIENTS[service].rpartition(".")
    client = getattr(importlib.import_module(module), name)
    return set(re.findall(r'self\._client\.call\(\s*"[^"]+",\s*"(\w+)"', inspect.getsource(client)))


@pytest.mark.parametrize("service", sorted(CLIENTS))
def test_every_method_of_the_sdk_is_listed_where_it_belongs(service: str) -> None:
    found = re.search(rf"^\| `{re.escape(service)}` \| (.*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    there, absent = ({name for name in cell.split(", ") if name != "none"} for cell in found.groups())
    ours = {name.partition("/")[2] for name in METHODS if name.startswith(f"{service}/")}
    assert there == ours
    assert absent == methods_of_the_sdk(service) - ours
    assert ours <= methods_of_the_sdk(service)


def test_the_example_of_a_competition_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for folder in ("public", "hidden"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.csv").write_text("image\n")
    (tmp_path / "solution.csv").write_text("image,labels\n")
    (tmp_path / "competition.toml").write_text(example)
    assert load_competition(tmp_path).limits.memory_bytes == 16 * 10**9
    listed = re.search(r"(?s)The metrics: (.*?)\.\n", PAGE.read_text())
    assert listed is not None
    assert set(re.findall(r"`([^`]+)`", listed[1])) == {*METRICS, *PARAMETERS}


def test_the_help_lists_every_setting_and_the_page_every_way_to_fail() -> None:
    command = [sys.executable, "-m", "kaggle_local", "serve", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for field in dataclasses.fields(Behaviour):
        assert f"\n    {field.name}: " in shown
    for fault in dataclasses.fields(Fault):
        assert fault.name in PAGE.read_text() or fault.name == "on"
