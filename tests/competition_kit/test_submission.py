"""A submission is checked, and written whole or not at all."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from competition_kit.submission import SubmissionError, write_submission
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = ("id", "label")

# Characters of a file's name, or a label.
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1).filter(str.strip)


def test_rows_are_written_in_their_order(tmp_path: Path) -> None:
    assert write_submission(tmp_path / "out.csv", COLUMNS, [("b", "x y"), ("a", 0)]) == 2
    assert (tmp_path / "out.csv").read_text() == "id,label\nb,x y\na,0\n"


@given(st.dictionaries(TEXTS, TEXTS, min_size=1))
def test_what_is_written_can_be_read(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("written") / "out.csv"
    write_submission(path, COLUMNS, rows.items())
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [list(COLUMNS), *map(list, rows.items())]


def test_a_name_that_is_no_text_is_written_as_it_came(tmp_path: Path) -> None:
    write_submission(tmp_path / "out.csv", COLUMNS, [("not \udcff utf-8.jpg", "scab")])
    assert b"not \xff utf-8.jpg,scab" in (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "not a row"),
        ([("a",)], "1 values, for the columns id, label"),
        ([("a", 1, 2)], "3 values"),
        ([("a", "")], "1 ids have a cell without a value: a"),
        ([("a", None), ("b", float("nan")), ("c", " "), ("d", ""), ("e", 0)], "4 ids have a cell .*: a, b, c, …"),
        ([("a", 1), ("a", 2)], "1 ids are there more than once: a"),
    ],
)
def test_what_cannot_be_handed_in_is_refused_and_what_was_there_stays(
    rows: list[tuple[object, ...]], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(SubmissionError, match=problem):
        write_submission(path, COLUMNS, rows)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(
    ("columns", "rows", "problem"),
    [
        (COLUMNS, [("a", 1)], "1 ids of sample.csv are missing: b"),
        (COLUMNS, [("a", 1), ("b", 1), ("c", 1)], "1 ids of sample.csv should not be there: c"),
        (("id", "other"), [("a", 1), ("b", 1)], "columns are id, other, not label, id as in sample.csv"),
    ],
)
def test_a_submission_is_compared_with_the_sample(
    columns: tuple[str, ...], rows: list[tuple[object, ...]], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "sample.csv").write_text("label,id\n0,a\n0,b\n")
    write_submission(tmp_path / "out.csv", COLUMNS, [("b", 1), ("a", 1)], tmp_path / "sample.csv")
    with pytest.raises(SubmissionError, match=problem):
        write_submission(tmp_path / "out.csv", columns, rows, tmp_path / "sample.csv")


def test_an_older_sample_is_in_a_zip(tmp_path: Path) -> None:
    sample = tmp_path / "sample_submission.csv.zip"
    pd.DataFrame({"id": ["a", "b"], "label": ["", ""]}).to_csv(sample, index=False)
    assert write_submission(tmp_path / "out.csv", COLUMNS, [("b", 1), ("a", 2)], sample) == 2


def test_parquet_has_the_types_of_the_sample(tmp_path: Path) -> None:
    sample, path = tmp_path / "sample.parquet", tmp_path / "out.parquet"
    pd.DataFrame({"id": [1, 2], "label": [0.5, 0.5]}).to_parquet(sample)
    assert write_submission(path, COLUMNS, [("2", 1), ("1", 0)], sample) == 2
    written = pd.read_parquet(path)
    assert written.to_dict("list") == {"id": [2, 1], "label": [1.0, 0.0]}
    assert written.dtypes.equals(pd.read_parquet(sample).dtypes)
    with pytest.raises(SubmissionError, match=r"1 ids of sample\.parquet are missing: 2"):
        write_submission(path, COLUMNS, [("1", 0)], sample)
    with pytest.raises(SubmissionError, match="its columns are name, label, not id, label"):
        write_submission(path, ("name", "label"), [("1", 0)], sample)
