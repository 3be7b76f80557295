"""A competition's profile follows from what Kaggle says of it, and from its tables."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kaggle_offline.competition.inference import Profile
from kaggle_offline.competition.profile import read_profile
from kaggle_offline.competition.served import Gateway
from kaggle_offline.competition.tables import read_table
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.repository.submission_toml import HoldOut

from tests import look_alikes
from tests.look_alikes import titanic, write_csv


@pytest.fixture
def target(repository: Path) -> Iterator[LocalTarget]:
    with open_target("local", repository) as opened:
        assert isinstance(opened, LocalTarget)
        yield opened


def profile_of(target: LocalTarget, hosted: Path, folder: Path, metric: str = "", said: str = "") -> Profile:
    """Return the profile of a hosted competition whose metric Kaggle calls ``said``."""
    slug = target.local.host(hosted).slug
    state = target.client.competitions.state(slug)
    assert state is not None
    return read_profile(target.client, replace(state, metric=said or state.metric), folder, metric)


# As hosts write them.
GATEWAY = """
class XGateway:
    def unpack_data_paths(self):
        if not self.data_paths:
            self.test_path = "/kaggle/input/titanic/test.csv"
            self.lags_path = "/kaggle/input/competitions/titanic/lags/"
        else:
            self.test_path, self.lags_path = self.data_paths
"""
FILES = {"train_images/{image_id}": "test_images/{image_id}"}


@pytest.mark.parametrize(
    ("write", "kind", "prediction", "rehearsal"),
    [
        (
            look_alikes.titanic,
            "tabular",
            "labels",
            HoldOut(train="train.csv", test="test.csv", target=("Survived",), metric="accuracy", stratify=True),
        ),
        (
            look_alikes.house_prices,
            "tabular",
            "log-numbers",
            HoldOut(train="train.csv", test="test.csv", target=("SalePrice",), metric="rmsle"),
        ),
        (
            look_alikes.science_exam,
            "text",
            "ranked",
            HoldOut(train="train.csv", test="test.csv", target=("answer",), metric="map@3", stratify=True),
        ),
        (
            look_alikes.leaf_images,
            "image",
            "labels",
            HoldOut(train="train.csv", target=("label",), metric="accuracy", stratify=True, files=FILES),
        ),
        (
            look_alikes.seedlings,
            "image-folders",
            "labels",
            HoldOut(train="train/{species}/{file}", target=("species",), metric="accuracy", stratify=True),
        ),
        (
            look_alikes.bird_calls,
            "audio",
            "probabilities",
            HoldOut(
                train="train.csv",
                target=("primary_label",),
                metric="auc",
                stratify=True,
                files={"train_audio/{filename}": "test_audio/{filename}"},
            ),
        ),
        (
            look_alikes.parquet_tables,
            "tabular",
            "numbers",
            HoldOut(train="train.parquet", test="test.parquet", target=("load",), metric="rmse"),
        ),
    ],
)
def test_what_is_to_be_predicted_shows_in_the_tables(  # noqa: PLR0917
    write: Callable[[Path], Path],
    kind: str,
    prediction: str,
    rehearsal: HoldOut,
    target: LocalTarget,
    tmp_path: Path,
) -> None:
    profile = profile_of(target, write(tmp_path / "hosted"), tmp_path / "data")
    assert (profile.kind, profile.prediction, profile.rehearsal, profile.left) == (kind, prediction, rehearsal, ())


@pytest.mark.parametrize(
    ("said", "metric"),
    [
        ("Categorization Accuracy", "accuracy"),
        ("Roc Auc Score", "auc"),
        ("Area Under Receiver Operating Characteristic Curve", "auc"),
        ("Root Mean Squared Logarithmic Error", "rmsle"),
        ("Mean Columnwise RMSLE", "rmsle"),
        ("QuadraticWeightedKappa", "quadratic-kappa"),
        ("Matthews correlation coefficient", "mcc"),
        ("MAP@5", "map@5"),
        ("Mean Average Precision @ 12", "map@12"),
        ("R-squared", "r2"),
    ],
)
def test_kaggles_names_of_metrics_are_known(said: str, metric: str, target: LocalTarget, tmp_path: Path) -> None:
    profile = profile_of(target, titanic(tmp_path / "hosted"), tmp_path / "data", said=said)
    assert profile.rehearsal is not None
    assert (profile.rehearsal.metric, profile.left) == (metric, ())


def test_a_number_that_kaggle_leaves_out_is_assumed_and_told(target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    profile = profile_of(target, hosted, tmp_path / "data", said="MAP@{K}")
    assert profile.rehearsal is not None
    assert profile.rehearsal.metric == "map@3"
    assert profile.left == ("Kaggle calls the metric MAP@{K}, and does not say how many: map@3 is assumed",)
    # It is of overlaps.
    assert "which is not known here" in profile_of(target, hosted, tmp_path / "data", said="mAP@0.5").left[-1]


def test_a_metric_that_is_not_known_is_left_to_the_user(target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    profile = profile_of(target, hosted, tmp_path / "data", said="eefs_concordance_index")
    assert profile.rehearsal is not None
    assert profile.rehearsal.metric == "accuracy"
    (line,) = profile.left
    assert "Kaggle calls the metric 'eefs_concordance_index', which is not known here" in line
    own = profile_of(target, hosted, tmp_path / "data", "metric.py", said="eefs_concordance_index")
    assert own.rehearsal is not None
    (line,) = own.left
    assert own.rehearsal.metric == "metric.py"
    assert line.startswith("greater_is_better: ")


def test_columns_that_train_lacks_are_left_to_the_user(target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    sample = read_table(hosted / "public" / "gender_submission.csv")
    sample.assign(Fate="0").to_csv(hosted / "public" / "gender_submission.csv", index=False)
    profile = profile_of(target, hosted, tmp_path / "data")
    (line,) = profile.left
    assert line.startswith("gender_submission.csv asks for Survived, Fate, and train.csv has no such column: ")


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (["notes.txt"], "it has no sample submission: set output and rehearsal in submission.toml"),
        (["sample_submission.json"], "sample_submission.json is not a table: write the rehearsal and the prediction"),
        (["sample_submission.csv"], "it has no table train, nor a folder for each label: write the rehearsal by hand"),
    ],
)
def test_data_without_a_baseline_are_told(files: list[str], line: str, target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    for path in (hosted / "public").iterdir():
        path.unlink()
    for name in files:
        (hosted / "public" / name).write_text("id,y\n1,0\n" if name.endswith(".csv") else "{}")
    profile = profile_of(target, hosted, tmp_path / "data")
    assert (profile.kind, profile.rehearsal, profile.left) == ("other", None, (line,))


def test_a_served_competition_is_told(target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    theirs = hosted / "public" / "kaggle_evaluation"
    theirs.mkdir()
    (theirs / "x_gateway.py").write_text(GATEWAY)
    (theirs / "x_inference_server.py").write_text("class XServer: ...\nclass XInferenceServer(XServer): ...\n")
    profile = profile_of(target, hosted, tmp_path / "data")
    assert profile.gateway == Gateway(
        path="kaggle_evaluation/x_gateway.py",
        module="kaggle_evaluation.x_inference_server",
        server="XInferenceServer",
        paths=("test.csv", "lags"),
    )
    assert profile.output == "submission.parquet"
    (line,) = profile.left
    assert line.startswith("it is served: compare what predict takes and returns with the host's demo")


def test_a_served_competition_needs_no_sample_submission(target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    (hosted / "public" / "gender_submission.csv").unlink()
    (hosted / "public" / "kaggle_evaluation").mkdir()
    (hosted / "public" / "kaggle_evaluation" / "x_gateway.py").write_text("")
    profile = profile_of(target, hosted, tmp_path / "data")
    assert profile.rehearsal is not None
    assert (profile.rehearsal.id, profile.rehearsal.target) == ("PassengerId", ("Survived",))
    assert (
        "it has no sample submission: PassengerId is taken for the id, and Survived for the target" in profile.left[1]
    )


def test_masks_have_no_baseline_and_only_tables_are_downloaded(target: LocalTarget, tmp_path: Path) -> None:
    hosted = look_alikes.leaf_images(tmp_path / "hosted")
    for path in (hosted / "public" / "train_images").iterdir():
        path.rename(path.with_suffix(".npy"))
    table = hosted / "public" / "train.csv"
    table.write_text(table.read_text().replace(".jpg", ".npy"))
    profile = profile_of(target, hosted, tmp_path / "data")
    assert profile.kind == "other"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        ".kaggle-data.json",
        "sample_submission.csv",
        "train.csv",
    ]


def test_older_layouts_are_understood(target: LocalTarget, tmp_path: Path) -> None:
    """As Dog Breed Identification's: a table of labels, a column for each of them, and CSV in zips."""
    public = look_alikes.leaf_images(tmp_path / "hosted") / "public"
    train = read_table(public / "train.csv")
    train.to_csv(public / "labels.csv", index=False)
    (public / "train.csv").unlink()
    (public / "train_images").rename(public / "train")
    (public / "test_images").rename(public / "test")
    sample = read_table(public / "sample_submission.csv")
    asked = sample[["image_id"]].assign(**dict.fromkeys("0123", "0.25"))
    asked.to_csv(public / "sample_submission.csv.zip", index=False)
    (public / "sample_submission.csv").unlink()
    profile = profile_of(target, tmp_path / "hosted", tmp_path / "data", said="Multiclass Loss")
    assert profile.sample == "sample_submission.csv.zip"
    assert profile.output == "submission.csv"
    assert (profile.kind, profile.prediction, profile.left) == ("image", "probabilities", ())
    assert profile.rehearsal == HoldOut(
        train="labels.csv",
        target=("label",),
        metric="log-loss",
        stratify=True,
        files={"train/{image_id}": "test/{image_id}"},
    )


def test_masks_are_no_labels(target: LocalTarget, tmp_path: Path) -> None:
    hosted = look_alikes.leaf_images(tmp_path / "hosted")
    table = hosted / "public" / "train.csv"
    rows = [{"image_id": name, "label": f"{number} 3"} for number, name in enumerate(read_table(table)["image_id"])]
    write_csv(table, rows)
    profile = profile_of(target, hosted, tmp_path / "data", said="Dice")
    assert (profile.kind, profile.rehearsal is not None) == ("other", True)
    assert profile.left == ("there is no baseline for such data: the kernel hands in the sample submission",)


def test_several_rows_for_a_row_of_the_test_set_are_told(target: LocalTarget, tmp_path: Path) -> None:
    hosted = titanic(tmp_path / "hosted")
    sample = hosted / "public" / "gender_submission.csv"
    sample.write_text(sample.read_text() + "9999,0\n")
    profile = profile_of(target, hosted, tmp_path / "data")
    assert profile.left[-1] == (
        "test.csv has 150 rows, and gender_submission.csv 151, or they have no id in common: write a command as the "
        "rehearsal"
    )
