"""A sketch has no row of the data, and look-alikes that are drawn from it can be rehearsed with."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.scoring.score import check_solution
from kaggle_offline.competition.drawing import draw_data
from kaggle_offline.competition.rehearsal import RehearsalData, write_rehearsal
from kaggle_offline.competition.sketch import SKETCH, make_sketch
from kaggle_offline.competition.tables import read_table
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import write_json
from kaggle_offline.repository.submission_toml import HoldOut
from PIL import Image

from tests.look_alikes import house_prices, leaf_images, parquet_tables, seedlings, titanic, write_csv

TITANIC = HoldOut(train="train.csv", test="test.csv", target=("Survived",), metric="accuracy")
LEAVES = HoldOut(
    train="train.csv",
    target=("label",),
    metric="accuracy",
    files={"train_images/{image_id}": "test_images/{image_id}"},
)
SEEDLINGS = HoldOut(train="train/{species}/{file}", target=("species",), metric="accuracy")
HOUSES = HoldOut(train="train.csv", test="test.csv", target=("SalePrice",), metric="rmsle")
LOADS = HoldOut(train="train.parquet", test="test.parquet", target=("load",), metric="rmse")

CASES = [
    (titanic, TITANIC, "gender_submission.csv"),
    (house_prices, HOUSES, "sample_submission.csv"),
    (leaf_images, LEAVES, "sample_submission.csv"),
    (seedlings, SEEDLINGS, "sample_submission.csv"),
    (parquet_tables, LOADS, "sample_submission.parquet"),
]


def sketched(folder: Path, rehearsal: HoldOut, sample: str) -> Path:
    data = RehearsalData(folder=folder / "public", sample=sample, rehearsal=rehearsal, where="submission.toml")
    write_json(folder / SKETCH, make_sketch(data))
    return folder / SKETCH


@pytest.mark.parametrize(("write", "rehearsal", "sample"), CASES)
def test_what_is_drawn_has_the_same_form_and_can_be_rehearsed(
    write: "object", rehearsal: HoldOut, sample: str, tmp_path: Path
) -> None:
    assert callable(write)
    write(tmp_path / "real")
    path = sketched(tmp_path / "real", rehearsal, sample)
    for name in ("drawn", "again"):
        draw_data(path, rehearsal, tmp_path / name)
    for file in filter(Path.is_file, (tmp_path / "drawn").rglob("*")):
        assert (tmp_path / "again" / file.relative_to(tmp_path / "drawn")).read_bytes() == file.read_bytes()
    for table in (path for path in (tmp_path / "real" / "public").iterdir() if path.is_file()):
        real, drawn = read_table(table), read_table(tmp_path / "drawn" / table.name)
        assert list(real.columns) == list(drawn.columns)
        assert real.dtypes.equals(drawn.dtypes)
    data = RehearsalData(folder=tmp_path / "drawn", sample=sample, rehearsal=rehearsal, where="submission.toml")
    write_rehearsal(data, "some", "Some", None, tmp_path / "made")
    check_solution(tmp_path / "made")


def test_values_are_of_the_same_kind(tmp_path: Path) -> None:
    path = sketched(titanic(tmp_path / "real"), TITANIC, "gender_submission.csv")
    draw_data(path, TITANIC, tmp_path / "drawn")
    drawn = pd.read_csv(tmp_path / "drawn" / "train.csv")
    assert set(drawn["Sex"]) == {"male", "female"}
    assert set(drawn["Survived"]) == {0, 1}
    assert drawn["Age"].between(0, 81).sum() == drawn["Age"].notna().sum()
    assert 0.05 < drawn["Age"].isna().mean() < 0.3
    assert drawn["PassengerId"].is_unique
    # Something can be learned.
    assert abs(np.corrcoef(drawn["Fare"], drawn["Survived"])[0, 1]) > 0.3


def test_images_have_the_sizes_and_names_of_the_rows(tmp_path: Path) -> None:
    path = sketched(leaf_images(tmp_path / "real"), LEAVES, "sample_submission.csv")
    draw_data(path, LEAVES, tmp_path / "drawn")
    names = pd.read_csv(tmp_path / "drawn" / "train.csv")["image_id"]
    assert names.str.endswith(".jpg").all()
    assert sorted(p.name for p in (tmp_path / "drawn" / "train_images").iterdir()) == sorted(names)
    with Image.open(tmp_path / "drawn" / "train_images" / names[0]) as image:
        assert (image.size, image.mode) == ((48, 40), "RGB")


def test_no_row_of_the_data_is_in_the_sketch(tmp_path: Path) -> None:
    path = sketched(titanic(tmp_path / "real"), TITANIC, "gender_submission.csv")
    text = path.read_text()
    for row in read_table(tmp_path / "real" / "public" / "train.csv").to_dict("records"):
        for column in ("Name", "Ticket", "Cabin"):
            assert not row[column] or row[column] not in text
    assert path.stat().st_size < 10_000


WORDS = st.text("abcXYZ é'", min_size=5, max_size=12).filter(lambda text: text.strip() == text and " " in text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(names=st.lists(WORDS, min_size=6, max_size=12, unique=True), repeats=st.integers(1, 6))
def test_no_name_is_in_the_sketch_however_often_it_occurs(names: list[str], repeats: int, tmp_path: Path) -> None:
    rows = []
    for number in range(len(names) * repeats):
        name = names[number % len(names)]
        rows.append({"id": number, "who": name, "amount": 1000.5 + number * 7.013, "y": number % 2})
    folder = tmp_path / "data" / "public"
    write_csv(folder / "train.csv", rows)
    write_csv(folder / "test.csv", [{k: row[k] for k in ("id", "who", "amount")} for row in rows[:3]])
    write_csv(folder / "sample_submission.csv", [{"id": row["id"], "y": 0} for row in rows[:3]])
    rehearsal = replace(TITANIC, target=("y",))
    text = sketched(tmp_path / "data", rehearsal, "sample_submission.csv").read_text()
    found = set(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
    assert not {json.dumps(name)[1:-1] for name in names} & found
    assert not any(f"{row['amount']:.3f}" in text for row in rows)


def test_a_small_table_leaves_no_values(tmp_path: Path) -> None:
    """Code competitions often show a few rows of the test set, or one."""
    rows = [{"id": f"r{n}", "age": 30 + n, "zip": 94100 + 7 * n, "y": n % 2} for n in range(80)]
    folder = tmp_path / "data" / "public"
    write_csv(folder / "train.csv", rows)
    write_csv(folder / "test.csv", [{"id": "t1", "age": 37, "zip": 94123, "weight": 71.5}])
    write_csv(folder / "sample_submission.csv", [{"id": "t1", "y": 0}])
    text = sketched(tmp_path / "data", replace(TITANIC, target=("y",)), "sample_submission.csv").read_text()
    assert "71.5" not in text
    assert "94123" not in text
    write_csv(folder / "train.csv", rows[:20])
    text = sketched(tmp_path / "data", replace(TITANIC, target=("y",)), "sample_submission.csv").read_text()
    assert not {str(row["zip"]) for row in rows} & set(re.findall(r"\d+", text))


def test_a_gap_is_one_in_the_words_of_the_data(tmp_path: Path) -> None:
    path = sketched(house_prices(tmp_path / "real"), HOUSES, "sample_submission.csv")
    draw_data(path, HOUSES, tmp_path / "drawn")
    drawn = pd.read_csv(tmp_path / "drawn" / "train.csv")
    assert drawn["LotFrontage"].dtype == float
    assert "NA" in set(read_table(tmp_path / "drawn" / "train.csv")["LotFrontage"])


def test_a_sketch_of_other_settings_is_named(tmp_path: Path) -> None:
    path = sketched(titanic(tmp_path / "real"), TITANIC, "gender_submission.csv")
    for rehearsal in (replace(TITANIC, train="other.csv"), replace(TITANIC, test="")):
        with pytest.raises(ConfigurationError, match="not a sketch of these settings"):
            draw_data(path, rehearsal, tmp_path / "drawn")
    sketch = json.loads(path.read_text())
    sketch["tables"]["train.csv"]["columns"][1] = {"name": "Survived", "type": "category", "values": [], "shares": [1]}
    for text in ("[]", "{", json.dumps(sketch), json.dumps({**sketch, "version": 0})):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="not a sketch of these settings"):
            draw_data(path, TITANIC, tmp_path / "drawn")


def test_a_sketch_writes_nothing_elsewhere(tmp_path: Path) -> None:
    path = sketched(leaf_images(tmp_path / "real"), LEAVES, "sample_submission.csv")
    sketch = json.loads(path.read_text())
    sketch["tables"]["train.csv"]["columns"][0]["suffix"] = "/../../../../outside.jpg"
    path.write_text(json.dumps(sketch))
    with pytest.raises(ConfigurationError, match="would lead out of the data"):
        draw_data(path, LEAVES, tmp_path / "drawn")
