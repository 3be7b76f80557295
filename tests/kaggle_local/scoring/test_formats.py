"""Submissions in each of Kaggle's formats are the same table; anything else is refused with the reason."""

import json
import zipfile
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.errors import SubmissionError
from kaggle_local.scoring.formats import read_texts

COLUMNS = ["id", "y"]
TABLE = pd.DataFrame({"id": [1, 2, 3], "y": [0.5, None, 2.0]})
TEXTS = {"id": ["1", "2", "3"], "y": ["0.5", "", "2.0"]}


def test_csv_and_parquet_are_the_same_table_and_so_are_their_zips(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "submission.csv", index=False)
    TABLE.to_parquet(tmp_path / "submission.parquet")
    for name in ("submission.csv", "submission.parquet"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / name, name)
        for path in (tmp_path / name, tmp_path / f"{name}.zip"):
            assert read_texts(path, COLUMNS).to_dict("list") == TEXTS, path


def test_an_index_of_pandas_is_a_column_if_it_has_a_name(tmp_path: Path) -> None:
    TABLE.set_index("id").to_parquet(tmp_path / "submission.parquet")
    assert read_texts(tmp_path / "submission.parquet", COLUMNS).to_dict("list") == TEXTS


def test_the_keys_of_a_json_object_are_the_ids(tmp_path: Path) -> None:
    grids = {"a": [{"attempt_1": [[0, 1]], "attempt_2": [[1]]}], "b": []}
    (tmp_path / "submission.json").write_text(json.dumps(grids, indent=1))
    found = read_texts(tmp_path / "submission.json", COLUMNS).to_dict("list")
    assert found == {"id": ["a", "b"], "y": ['[{"attempt_1":[[0,1]],"attempt_2":[[1]]}]', "[]"]}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("submission.parquet", b"id,y\n1,2\n", "not a parquet file"),
        ("submission.parquet", b"", "not a parquet file"),
        ("submission.json", b"[1, 2]", "not a JSON object"),
        ("submission.json", b'{"a": 1', "not a JSON file"),
        ("submission.json", b"[" * 100_000, "not a JSON file"),
    ],
)
def test_another_content_is_refused(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SubmissionError, match=reason):
        read_texts(tmp_path / name, COLUMNS)


def test_a_zip_holds_one_table(tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "id,y\n1,2\n")
        archive.writestr("readme.txt", "not a table")
    assert read_texts(path, COLUMNS).to_dict("list") == {"id": ["1"], "y": ["2"]}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.csv", "id,y\n1,2\n")
    with pytest.raises(SubmissionError, match="a zip file with 2 tables"):
        read_texts(path, COLUMNS)


def test_a_small_file_that_unpacks_to_a_large_one_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaggle_local.scoring.formats._LARGEST", 10_000)
    with zipfile.ZipFile(tmp_path / "submission.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.csv", "id,y\n" + "1,1\n" * 5000)
    assert (tmp_path / "submission.zip").stat().st_size < 1000
    with pytest.raises(SubmissionError, match="20,005 bytes"):
        read_texts(tmp_path / "submission.zip", COLUMNS)


def test_columns_have_names_of_their_own_and_rows_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "submission.parquet"
    names = pa.table([pa.array([1]), pa.array([2])], names=["id", "id"])
    pq.write_table(names, path)
    with pytest.raises(SubmissionError, match="two columns have the same name"):
        read_texts(path, COLUMNS)
    # Encoded, one value a billion times takes nothing.
    monkeypatch.setattr("kaggle_local.scoring.formats._MOST_CELLS", 10_000)
    pd.DataFrame({"id": range(6000), "y": 0}).to_parquet(path)
    with pytest.raises(SubmissionError, match="12,000 cells"):
        read_texts(path, COLUMNS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".parquet", ".json", ".zip", ".csv"]))
def test_no_bytes_raise_anything_else(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"submission{suffix}"
    path.write_bytes(content if suffix == ".csv" else b"PK\x05\x06" + content)
    with suppress(SubmissionError):
        read_texts(path, COLUMNS)
