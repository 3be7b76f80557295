"""`new` asks Kaggle about a competition, `data` fetches its data, and it scores without an edited line.

The competitions look like Kaggle's: drawn data, real layouts and names, hosted by the local Kaggle.
"""

import csv
import shutil
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_offline.cli import main
from kaggle_offline.competition.drawing import draw_data
from kaggle_offline.competition.tables import read_table
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.errors import EntryError
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.scaffold.competition import drawn_profile, names_of

from tests.kaggle_offline.conftest import REPOSITORY, git, result_of, share_images
from tests.look_alikes import LOOK_ALIKES, METRIC, titanic

IMAGE = "kaggle-cpu-2026-10"


@pytest.fixture
def place(tmp_path: Path, storages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with what is shared alone: an image and competition-kit."""
    repository = tmp_path / "repository"
    (repository / "requirements" / "images").mkdir(parents=True)
    (repository / "kernels").mkdir()
    (repository / "tests").mkdir()
    shutil.copyfile(
        REPOSITORY / "requirements" / "images" / f"{IMAGE}.txt",
        repository / "requirements" / "images" / f"{IMAGE}.txt",
    )
    kit = REPOSITORY / "packages" / "competition-kit"
    shutil.copytree(kit, repository / "packages" / "competition-kit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(REPOSITORY / ".gitignore", repository / ".gitignore")
    git(repository, "init", "--quiet")
    share_images(repository, storages)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    return repository


def host(repository: Path, folder: Path, *, entered: bool = True) -> None:
    if not entered:
        settings = folder / "competition.toml"
        settings.write_text(f"{settings.read_text()}entered = false\n")
    with open_target("local", repository) as target:
        assert isinstance(target, LocalTarget)
        target.local.host(folder)


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Begin")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = main(arguments)
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    return said.out


def ids(path: Path) -> list[str]:
    return read_table(path).iloc[:, 0].astype(str).tolist()


@pytest.mark.nightly
@pytest.mark.parametrize("slug", LOOK_ALIKES)
def test_it_scores_without_an_edited_line(
    slug: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosted = LOOK_ALIKES[slug](tmp_path / "hosted")
    host(place, hosted)
    name = slug[:20].rstrip("-")
    options = ["--name", name]
    if slug == "graded-rows":
        (tmp_path / "metric.py").write_text(METRIC)
        options += ["--metric", str(tmp_path / "metric.py")]
    said = run(capsys, "new", f"https://www.kaggle.com/competitions/{slug}/overview", *options)
    assert ("left to you" in said) == (slug == "graded-rows"), said
    said = run(capsys, "data", slug)
    assert f"kernels/{name}/data.json: a sketch without a row of the data; commit it" in said
    commit(place)
    for verb in ("freeze", "push", "submit"):
        said = run(capsys, verb, name)

    kernel = read_kernel_folder(place, name)
    submission = result_of(kernel.build)["submission"]
    better = submission["score"] - submission["baseline"]
    assert (better if submission["greater_is_better"] else -better) > 0, submission
    if slug == "graded-rows":
        assert f"private score {submission['private_score']:.5f}" in said
    made = kernel.build / "competition"
    sample = next(path.name for path in (hosted / "public").iterdir() if "submission" in path.name)
    assert ids(made / "public" / sample) == ids(hosted / "public" / sample)
    assert len(ids(made / "hidden" / sample)) > len(ids(made / "public" / sample))

    # A clone without the data, as on a runner.
    shutil.rmtree(kernel.data)
    said = run(capsys, "push", name)
    assert "drawing data like the competition's from data.json" in said
    run(capsys, "submit", name)
    drawn = result_of(kernel.build)["submission"]
    assert drawn["ref"] != submission["ref"]
    assert drawn["score"] is not None


@pytest.mark.nightly
def test_a_served_competition_is_rehearsed_through_a_gateway(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A time series, drawn."""
    said = run(capsys, "new", "drawn-series", "--served")
    assert said.endswith("Now: nox -s freeze push submit -- drawn-series\n")
    commit(place)
    for verb in ("freeze", "push", "submit"):
        said = run(capsys, verb, "drawn-series")
    build = read_kernel_folder(place, "drawn-series").build
    submission = result_of(build)["submission"]
    assert submission["score"] < submission["baseline"] / 2
    calls = submission["calls"]
    assert calls["rows"] == 300
    assert calls["number"] < 100
    assert not calls["depends_on_order"]
    assert not calls["depends_on_size"]
    assert f"  gateway: {calls['number']} calls for 300 rows; the server started in " in said
    assert f"| gateway | {calls['number']} calls for 300 rows; " in (build / "summary.md").read_text()


@pytest.mark.nightly
@pytest.mark.parametrize("has_sample", [True, False])
def test_a_served_competition_of_kaggles_is_rehearsed_through_its_gateway(
    has_sample: bool, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its data are drawn, and a stand-in passes for the host's gateway."""
    hosted = tmp_path / "hosted"
    names = names_of("series")
    profile = drawn_profile(names, "tabular", served=True)
    assert profile.rehearsal is not None
    (tmp_path / "data.json").write_text(profile.sketch)
    for side in ("public", "hidden"):
        draw_data(tmp_path / "data.json", profile.rehearsal, hosted / side)
    shutil.copyfile(hosted / "hidden" / "sample_submission.csv", hosted / "solution.csv")
    (hosted / "competition.toml").write_text(
        'slug = "series"\ntitle = "Series"\nmetric = "rmse"\nid = "row_id"\ntarget = "target"\n'
    )
    if not has_sample:
        (hosted / "public" / "sample_submission.csv").unlink()
    host(place, hosted)
    said = run(capsys, "new", "series")
    assert "it is served: compare what predict takes and returns" in said
    assert ("it has no sample submission: row_id is taken for the id" in said) != has_sample
    run(capsys, "data", "series")
    commit(place)
    for verb in ("freeze", "push", "submit"):
        said = run(capsys, verb, "series")
    kernel = read_kernel_folder(place, "series")
    assert (kernel.build / "competition" / "hidden" / "kaggle_evaluation" / "series_gateway.py").is_file()
    submission = result_of(kernel.build)["submission"]
    assert submission["score"] < submission["baseline"] / 2

    # A clone without the data, as on a runner.
    shutil.rmtree(kernel.data)
    said = run(capsys, "push", "series")
    assert "drawing data like the competition's from data.json" in said
    run(capsys, "submit", "series")
    assert result_of(kernel.build)["submission"]["calls"]["rows"] > 0


@pytest.mark.nightly
def test_the_base_is_rehearsed_on_the_same_data(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Git does not track them."""
    host(place, titanic(tmp_path / "hosted"))
    run(capsys, "new", "titanic")
    run(capsys, "data", "titanic")
    commit(place)
    said = run(capsys, "predict", "--since", "HEAD", "titanic")
    score = result_of(place / "build" / "titanic")["submission"]["score"]
    assert f": {score:.5f}, tolerance 0.01" in said
    assert "drawing data" not in said


@pytest.mark.nightly
def test_whatever_is_in_the_way_is_one_clear_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(arguments) != 0
        return capsys.readouterr().err.splitlines()[0]

    host(place, titanic(tmp_path / "titanic"), entered=False)
    assert main(["new", "titanic"]) == EntryError.exit_code
    problem, link = capsys.readouterr().err.strip().splitlines()
    assert problem.endswith("has not accepted its rules")
    assert link.endswith("Accept them: https://www.kaggle.com/competitions/titanic/rules")
    shutil.rmtree(tmp_path / "titanic")
    host(place, titanic(tmp_path / "titanic"))
    assert refused("new", "titanic", "--metric", "metric.py").endswith("metric.py: not there")
    run(capsys, "new", "titanic")
    commit(place)
    run(capsys, "freeze", "titanic")
    settings = place / "kernels" / "titanic" / "submission.toml"
    text = settings.read_text()
    for change, problem in (
        (("held_out = 0.2", "held_out = 0.001"), "rehearsal.held_out: 0.001 of 250 rows of train.csv is 0"),
        (('metric = "accuracy"', 'metric = "luck"'), "no metric is called 'luck'"),
        (('metric = "accuracy"', 'metric = "mape"'), "a cell of 0"),
        (('metric = "accuracy"', 'metric = "own.py"'), "kernels/titanic/own.py: not there"),
        (('target = ["Survived"]', 'target = ["Fate"]'), "rehearsal: train.csv has no column Fate"),
        (('target = ["Survived"]', 'target = ["Age", "Sex"]'), "gender_submission.csv asks for Survived"),
    ):
        settings.write_text(text.replace(*change))
        assert problem in refused("push", "titanic"), change
    settings.write_text(text)
    shutil.rmtree(place / "data")
    assert "data/titanic: the competition's data are not there, nor is" in refused("push", "titanic")


@pytest.mark.nightly
def test_a_kernel_of_kaggles_becomes_ones_own(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host(place, titanic(tmp_path / "titanic"))
    code = (
        "import pandas as pd\n"
        "test = pd.read_csv('/kaggle/input/titanic/test.csv')\n"
        "test['Survived'] = (test['Sex'] == 'female').astype(int)\n"
        "test[['PassengerId', 'Survived']].to_csv('submission.csv', index=False)\n"
    )
    with open_target("local", place) as target:
        assert isinstance(target, LocalTarget)
        add_kernel(target.local, "somebody", "all-women", code)
    assert main(["new", "titanic", "--from", "somebody/nothing"]) != 0
    assert "somebody/nothing: Kaggle shows this account no such kernel" in capsys.readouterr().err
    said = run(capsys, "new", "titanic", "--from", "somebody/all-women")
    assert "left to you:\n  nothing" in said
    commit(place)
    for verb in ("freeze", "push", "submit"):
        run(capsys, verb, "titanic")
    submission = result_of(place / "build" / "titanic")["submission"]
    assert submission["score"] > submission["baseline"]


def add_kernel(local: LocalKaggle, owner: str, slug: str, source: str) -> None:
    """Add somebody's public script to the local Kaggle."""
    settings = {
        **{kind: [] for kind in ("datasets", "models", "kernels")},
        "competitions": ["titanic"],
        "kernel_type": "script",
        "is_private": False,
        "enable_gpu": False,
        "enable_internet": False,
        "docker_image": None,
        "seconds": None,
    }
    local.storage.kernels.add_version(owner, slug, slug, source, settings)


def test_without_an_account_the_data_are_made_up(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAGGLE_TARGET")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    said = run(capsys, "new", "leaf-wetness", "--kind", "text")
    assert "packages/leaf-wetness/src/leaf_wetness/rehearsal.py" in said
    with (place / "kernels" / "leaf-wetness" / "submission.toml").open(newline="") as file:
        assert any("python -m leaf_wetness.rehearsal" in "".join(row) for row in csv.reader(file))
