"""Rows of train become a hidden test set in the test set's own form; what does not fit is one clear line."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from kaggle_local.scoring.score import check_solution
from kaggle_offline.competition.rehearsal import RehearsalData, write_rehearsal
from kaggle_offline.competition.tables import read_table
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.submission_toml import HoldOut

from tests.look_alikes import (
    METRIC,
    house_prices,
    leaf_images,
    parquet_tables,
    science_exam,
    seedlings,
    titanic,
    write_csv,
)

TITANIC = HoldOut(train="train.csv", test="test.csv", target=("Survived",), metric="accuracy")


def data_of(folder: Path, write: Callable[[Path], Path], rehearsal: HoldOut, sample: str) -> RehearsalData:
    write(folder)
    return RehearsalData(folder=folder / "public", sample=sample, rehearsal=rehearsal, where="submission.toml")


def hold_out(data: RehearsalData, folder: Path, metric: Path | None = None) -> list[str]:
    notices = write_rehearsal(data, "some", "Some", metric, folder)
    check_solution(folder)
    return notices


def test_the_hidden_test_set_has_the_form_of_the_public_one_and_more_rows(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, TITANIC, "gender_submission.csv")
    assert hold_out(data, tmp_path / "made") == [
        "hidden test set: 50 rows held out of train.csv, after 150 public ones"
    ]
    for path in data.folder.iterdir():
        assert (tmp_path / "made" / "public" / path.name).read_bytes() == path.read_bytes()
    public, hidden = (read_table(tmp_path / "made" / side / "test.csv") for side in ("public", "hidden"))
    assert list(public.columns) == list(hidden.columns)
    assert len(hidden) == 200
    assert hidden[:150].equals(public)
    train, left = read_table(data.folder / "train.csv"), read_table(tmp_path / "made" / "hidden" / "train.csv")
    solution = read_table(tmp_path / "made" / "solution.csv")
    held = solution[solution["Usage"] == "Public"]
    assert list(held["PassengerId"]) == list(hidden["PassengerId"][150:])
    assert set(left["PassengerId"]) == set(train["PassengerId"]) - set(held["PassengerId"])
    known = train.set_index("PassengerId")
    assert list(held["Survived"]) == list(known.loc[held["PassengerId"], "Survived"])
    assert list(hidden["Fare"][150:]) == list(known.loc[held["PassengerId"], "Fare"])
    sample = read_table(tmp_path / "made" / "hidden" / "gender_submission.csv")
    assert list(sample["PassengerId"]) == list(hidden["PassengerId"])


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, replace(TITANIC, stratify=True), "gender_submission.csv")
    for name in ("a", "b"):
        hold_out(data, tmp_path / name)
    for path in filter(Path.is_file, (tmp_path / "a").rglob("*")):
        assert (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes() == path.read_bytes()


def test_labels_are_held_out_to_the_same_share_and_groups_as_a_whole(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, replace(TITANIC, stratify=True), "gender_submission.csv")
    train = read_table(data.folder / "train.csv")
    hold_out(data, tmp_path / "even")
    left = read_table(tmp_path / "even" / "hidden" / "train.csv")
    for label in ("0", "1"):
        kept, all_of_it = (left["Survived"] == label).sum(), (train["Survived"] == label).sum()
        assert kept / all_of_it == pytest.approx(0.8, abs=0.01)
    hold_out(replace(data, rehearsal=replace(TITANIC, group="Embarked")), tmp_path / "groups")
    left = read_table(tmp_path / "groups" / "hidden" / "train.csv")
    assert set(left["Embarked"]) < {"S", "C", "Q"}


def test_a_column_of_another_name_and_one_of_labels_are_understood(tmp_path: Path) -> None:
    exam = HoldOut(train="train.csv", test="test.csv", target=("answer",), metric="map@3")
    data = data_of(tmp_path / "exam", science_exam, exam, "sample_submission.csv")
    hold_out(data, tmp_path / "made")
    assert list(read_table(tmp_path / "made" / "solution.csv").columns) == ["id", "prediction", "Usage"]

    rows = [{"id": number, **dict.fromkeys("ABCDE", 0.2)} for number in range(40, 120)]
    write_csv(data.folder / "sample_submission.csv", rows)
    write_csv(data.folder / "sample_submission.csv", rows[:3])
    with pytest.raises(
        ConfigurationError, match=r"rehearsal\.test: test\.csv has 80 rows, and sample_submission\.csv 3"
    ):
        hold_out(data, tmp_path / "short")
    write_csv(data.folder / "sample_submission.csv", rows)
    hold_out(replace(data, rehearsal=replace(exam, metric="log-loss")), tmp_path / "classes")
    solution = read_table(tmp_path / "classes" / "solution.csv")
    assert solution[list("ABCDE")].astype(int).sum(axis=1).eq(1).all()


def test_files_move_under_the_names_of_the_test_set(tmp_path: Path) -> None:
    files = {"train_images/{image_id}": "test_images/{image_id}"}
    leaves = HoldOut(train="train.csv", target=("label",), metric="accuracy", files=files, held_out=0.25)
    data = data_of(tmp_path / "leaves", leaf_images, leaves, "sample_submission.csv")
    # A part of the data, as `data --images` leaves it.
    for path in [*(data.folder / "train_images").glob("000*.jpg"), data.folder / "test_images" / "t0003.jpg"]:
        path.unlink()
    notices = hold_out(data, tmp_path / "made")
    assert notices == [
        "hidden test set: 18 rows held out of train.csv, after 23 public ones",
        "1 of 24 rows of the public test set have no file here",
        "10 of 80 rows of train.csv have no file here",
    ]
    # A kernel reads each row's file.
    assert len(read_table(tmp_path / "made" / "public" / "train.csv")) == 70
    hidden = tmp_path / "made" / "hidden"
    asked = read_table(hidden / "sample_submission.csv")["image_id"].tolist()
    assert sorted(path.name for path in (hidden / "test_images").iterdir()) == sorted(asked)
    assert len(list((hidden / "train_images").iterdir())) == 70 - 18
    assert len(read_table(tmp_path / "made" / "public" / "sample_submission.csv")) == 23


def test_labels_may_be_the_names_of_folders(tmp_path: Path) -> None:
    seeds = HoldOut(train="train/{species}/{file}", target=("species",), metric="accuracy")
    data = data_of(tmp_path / "seedlings", seedlings, seeds, "sample_submission.csv")
    hold_out(data, tmp_path / "made")
    hidden = tmp_path / "made" / "hidden"
    assert len(list((hidden / "test").iterdir())) == 21 + 15
    assert len(list((hidden / "train").glob("*/*"))) == 75 - 15


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    loads = HoldOut(train="train.parquet", test="test.parquet", target=("load",), metric="rmse")
    data = data_of(tmp_path / "loads", parquet_tables, loads, "sample_submission.parquet")
    hold_out(data, tmp_path / "made")
    for name in ("test.parquet", "sample_submission.parquet"):
        public, hidden = (pd.read_parquet(tmp_path / "made" / side / name) for side in ("public", "hidden"))
        assert public.dtypes.equals(hidden.dtypes)
        assert len(hidden) == len(public) + 42


def test_ids_that_the_test_set_has_too_are_made_anew(tmp_path: Path) -> None:
    houses = HoldOut(train="train.csv", test="test.csv", target=("SalePrice",), metric="rmsle")
    data = data_of(tmp_path / "houses", house_prices, houses, "sample_submission.csv")
    for name in ("test.csv", "sample_submission.csv"):
        table = read_table(data.folder / name)
        table["Id"] = [str(number) for number in range(1, 141)]
        table.to_csv(data.folder / name, index=False)
    hold_out(data, tmp_path / "made")
    ids = read_table(tmp_path / "made" / "hidden" / "test.csv")["Id"].tolist()
    assert ids == [str(number) for number in range(1, 141 + 32)]


def test_a_hosts_metric_sees_both_leaderboards(tmp_path: Path) -> None:
    own = replace(
        TITANIC, metric="metric.py", metric_settings={"beta": 2, "of": {"a": [1, "b"]}}, greater_is_better=False
    )
    data = data_of(tmp_path / "titanic", titanic, own, "gender_submission.csv")
    (tmp_path / "metric.py").write_text(METRIC)
    hold_out(data, tmp_path / "made", tmp_path / "metric.py")
    usage = read_table(tmp_path / "made" / "solution.csv")["Usage"].value_counts().to_dict()
    assert usage == {"Ignored": 150, "Public": 25, "Private": 25}
    settings = (tmp_path / "made" / "competition.toml").read_text()
    assert 'metric = "metric.py"\n' in settings
    assert 'greater_is_better = false\nmetric_settings = { "beta" = 2, "of" = { "a" = [1, "b"] } }\n' in settings


def test_the_users_own_files_are_never_written(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, TITANIC, "gender_submission.csv")
    before = {path: path.read_bytes() for path in data.folder.iterdir()}
    hold_out(data, tmp_path / "made")
    # Tables that are written anew are no links to them.
    for path in (tmp_path / "made" / "hidden").iterdir():
        path.write_bytes(b"")
    assert {path: path.read_bytes() for path in data.folder.iterdir()} == before


def test_a_bare_carriage_return_stays_within_its_cell(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, TITANIC, "gender_submission.csv")
    for name in ("train.csv", "test.csv"):
        table = read_table(data.folder / name)
        table["Name"] = "a\rb"
        table.to_csv(data.folder / name, index=False, quoting=csv.QUOTE_ALL)
    hold_out(data, tmp_path / "made")
    hidden = pd.read_csv(tmp_path / "made" / "hidden" / "test.csv")
    assert len(hidden) == 200
    assert set(hidden["Name"]) == {"a\rb"}


def test_rows_that_share_a_file_are_refused(tmp_path: Path) -> None:
    files = {"train_images/{image_id}": "test_images/{image_id}"}
    leaves = HoldOut(train="train.csv", target=("label",), metric="accuracy", files=files)
    data = data_of(tmp_path / "leaves", leaf_images, leaves, "sample_submission.csv")
    table = read_table(data.folder / "train.csv")
    pd.concat([table, table]).to_csv(data.folder / "train.csv", index=False)
    with pytest.raises(ConfigurationError, match=r"several rows of train\.csv have the same train_images/\{image_id\}"):
        hold_out(data, tmp_path / "made")


def test_ids_keep_their_width(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, TITANIC, "gender_submission.csv")
    for name in ("train.csv", "test.csv", "gender_submission.csv"):
        table = read_table(data.folder / name)
        table["PassengerId"] = [f"{number:06}" for number in range(len(table))]
        table.to_csv(data.folder / name, index=False)
    hold_out(data, tmp_path / "made")
    ids = read_table(tmp_path / "made" / "hidden" / "test.csv")["PassengerId"]
    assert list(ids) == [f"{number:06}" for number in range(200)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"target": ("Fate",)}, "rehearsal: train.csv has no column Fate"),
        ({"target": ("Age", "Sex")}, "gender_submission.csv asks for Survived, which target does not name"),
        ({"group": "family"}, "rehearsal: train.csv has no column family"),
        ({"held_out": 0.001}, "rehearsal.held_out: 0.001 of 250 rows of train.csv is 0"),
        ({"held_out": 0.9999}, "rehearsal.held_out: 0.9999 of 250 rows of train.csv is 250"),
        ({"train": "training.csv"}, "training.csv: not there"),
        ({"train": "train/{label}/{image}"}, "no file is named as in train/{label}/{image}"),
        ({"files": {"images/{Name": "test/{Name}"}}, "images/{Name: not a pattern"),
        ({"files": {"images/{Name}.png": "test/{Name}.png"}}, "no row of the public test set has its files there"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], problem: str, tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, TITANIC, "gender_submission.csv")
    changed = replace(data, rehearsal=replace(TITANIC, **change))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as raised:
        hold_out(changed, tmp_path / "made")
    assert problem in raised.value.problem
    assert raised.value.cure


def test_a_row_whose_file_would_be_elsewhere_is_refused(tmp_path: Path) -> None:
    leaves = HoldOut(train="train.csv", target=("label",), metric="accuracy", files={"a/{image_id}": "b/{image_id}"})
    data = data_of(tmp_path / "leaves", leaf_images, leaves, "sample_submission.csv")
    write_csv(data.folder / "sample_submission.csv", [{"image_id": "../../secret", "label": 0}])
    with pytest.raises(ConfigurationError, match="would lead out of the data"):
        hold_out(data, tmp_path / "made")


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    data = data_of(tmp_path / "titanic", titanic, TITANIC, "gender_submission.csv")
    shutil.copyfile(data.folder / "train.csv", data.folder / "train.parquet")
    with pytest.raises(ConfigurationError, match=r"train\.parquet: not a table"):
        hold_out(replace(data, rehearsal=replace(TITANIC, train="train.parquet")), tmp_path / "made")
