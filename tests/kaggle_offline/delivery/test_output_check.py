"""A submission is compared with the sample before it is handed in."""

import csv
import json
import tracemalloc
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.delivery.output_check import check_output
from kaggle_offline.errors import KaggleError, OutputError

SAMPLE = "image,labels\na.jpg,healthy\nb.jpg,healthy\n"


def check(folder: Path, submission: str | bytes, sample: str | None = SAMPLE) -> str:
    content = submission if isinstance(submission, bytes) else submission.encode()
    (folder / "submission.csv").write_bytes(content)
    if sample is not None:
        (folder / "sample.csv").write_text(sample)
    return check_output(folder / "submission.csv", folder / "sample.csv" if sample is not None else None)


@pytest.mark.parametrize(
    "submission",
    [
        "image,labels\na.jpg,scab\nb.jpg,scab rust\n",
        "labels,image\nscab,a.jpg\nrust,b.jpg\n",
        "image,labels\r\nb.jpg,scab\r\na.jpg,rust\r\n",
        b"\xef\xbb\xbfimage,labels\na.jpg,scab\nb.jpg,rust\n",
        'image,labels\n"a.jpg","scab, or rust"\nb.jpg,"two\nlines"\n\n',
    ],
)
def test_what_has_the_ids_of_the_sample_is_taken(submission: str | bytes, tmp_path: Path) -> None:
    assert check(tmp_path, submission) == "2 rows, as in the sample"


@pytest.mark.parametrize(
    ("submission", "named"),
    [
        ("", "its columns are none"),
        ("image,labels\n", "2 rows are missing"),
        ("image,label\na.jpg,scab\nb.jpg,scab\n", "columns are image, label, not image, labels"),
        ("image,labels\na.jpg,scab\n", r"1 rows are missing \(b\.jpg\)"),
        ("image,labels\na.jpg,x\nb.jpg,x\nc.jpg,x\n", r"1 rows are not in the sample \(c\.jpg\)"),
        ("image,labels\na.jpg,x\nb.jpg,x\nb.jpg,y\n", r"1 rows are not in the sample \(b\.jpg\)"),
        ("image,labels\na.jpg,\nb.jpg,x\n", "1 cells are empty or not a number .a.jpg: labels"),
        ("image,labels\na.jpg,nan\nb.jpg, \n", "2 cells"),
        ("image,labels\na.jpg\nb.jpg,x\n", "line 2 has 1 cells, not 2"),
        (b"image,labels\na.jpg,\xff\xfe\n", "not a CSV file"),
    ],
)
def test_what_differs_is_named(submission: str | bytes, named: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=named):
        check(tmp_path, submission)


def test_cells_may_be_empty_where_the_samples_are(tmp_path: Path) -> None:
    sample = "image,mask,score\na,,0.5\nb,,0.5\n"
    assert check(tmp_path, "image,mask,score\na,,1\nb,1 2,0\n", sample)
    with pytest.raises(OutputError, match="a: score"):
        check(tmp_path, "image,mask,score\na,,\nb,1 2,0\n", sample)


def test_an_id_may_have_as_many_rows_as_in_the_sample(tmp_path: Path) -> None:
    sample = "id,box\na,1\na,1\nb,1\n"
    assert check(tmp_path, "id,box\nb,1\na,1\na,2\n", sample) == "3 rows, as in the sample"
    with pytest.raises(OutputError, match=r"1 rows are missing \(a\), 1 rows are not in the sample \(b\)"):
        check(tmp_path, "id,box\nb,1\nb,1\na,2\n", sample)


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    assert check(tmp_path, f"image,labels\na.jpg,{'1 2 ' * 100_000}\nb.jpg,x\n")


def test_without_a_sample_it_must_be_a_table_with_values(tmp_path: Path) -> None:
    assert check(tmp_path, "a,b\n1,2\n", None).startswith("1 rows, no sample to compare with")
    for text, named in (("a,b\n1,\n", "1 cells"), ("a,b\n", "no rows"), ("", "no rows")):
        with pytest.raises(OutputError, match=named):
            check(tmp_path, text, None)


def test_the_sample_may_be_zipped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sample.zip", "w") as archive:
        archive.writestr("sample_submission.csv", SAMPLE)
    (tmp_path / "submission.csv").write_text(SAMPLE)
    assert "2 rows" in check_output(tmp_path / "submission.csv", tmp_path / "sample.zip")
    with zipfile.ZipFile(tmp_path / "sample.zip", "w") as archive:
        archive.writestr("a.csv", SAMPLE)
        archive.writestr("b.csv", SAMPLE)
    with pytest.raises(KaggleError, match="2 tables"):
        check_output(tmp_path / "submission.csv", tmp_path / "sample.zip")


def test_what_is_wrong_with_the_sample_is_not_the_kernels_fault(tmp_path: Path) -> None:
    for sample in ("", "<html>Sign in</html>", 'a,b\n"1'):
        with pytest.raises(KaggleError, match=r"sample\.csv"):
            check(tmp_path, SAMPLE, sample)
    assert check(tmp_path, SAMPLE, "image,labels\n") == "2 rows, as in the sample"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1).filter(lambda t: t.strip())


@given(st.lists(CELL, min_size=1, max_size=20, unique=True))
def test_any_order_of_any_ids_is_taken_and_none_may_be_left_out(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("tables")

    def write(name: str, rows: list[str]) -> Path:
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["id", "value"], *([row, "1"] for row in rows)])
        return folder / name

    sample = write("sample.csv", ids)
    assert check_output(write("all.csv", ids[::-1]), sample)
    with pytest.raises(OutputError):
        check_output(write("fewer.csv", ids[1:]), sample)


def test_a_small_zip_of_one_endless_line_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("submission.csv", "w") as file:
        file.write(b"image,labels\na,")
        for _ in range(300):
            file.write(b"x" * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(OutputError, match="a line of more than 67,108,864 characters"):
            check_output(path, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 250 * 2**20


TABLE = {"image": ["a.jpg", "b.jpg"], "labels": ["scab", "rust"]}


def test_parquet_is_compared_with_a_sample_of_any_format(tmp_path: Path) -> None:
    path, sample = tmp_path / "submission.parquet", tmp_path / "sample.csv"
    sample.write_text(SAMPLE)
    pd.DataFrame(TABLE).to_parquet(path)
    assert check_output(path, sample) == "2 rows, as in the sample"
    pd.DataFrame(TABLE).to_parquet(tmp_path / "sample.parquet")
    assert check_output(path, tmp_path / "sample.parquet") == "2 rows, as in the sample"
    pd.DataFrame({**TABLE, "labels": ["scab", None]}).to_parquet(path)
    with pytest.raises(OutputError, match=r"1 cells are empty or not a number .b\.jpg: labels"):
        check_output(path, sample)
    pd.DataFrame({**TABLE, "image": ["a.jpg", "c.jpg"]}).to_parquet(path)
    with pytest.raises(OutputError, match=r"1 rows are missing .b\.jpg"):
        check_output(path, sample)
    path.write_bytes(b"PAR1")
    with pytest.raises(OutputError, match="not a parquet file"):
        check_output(path, sample)


ANSWER = {"attempt_1": [[0, 0], [0, 0]], "attempt_2": [[0]]}


@pytest.mark.parametrize(
    ("submission", "named"),
    [
        ({"a": [ANSWER], "b": [ANSWER, ANSWER]}, ""),
        ({"a": [{**ANSWER, "attempt_1": [[1, 2, 3]]}], "b": [ANSWER, ANSWER]}, ""),
        ({"a": [ANSWER], "b": [ANSWER]}, r"1 values have other keys, or other lengths, than in the sample .b"),
        ({"a": [{"attempt_1": [[0]]}], "b": [ANSWER, ANSWER]}, "1 values have other keys"),
        ({"a": [ANSWER]}, r"1 rows are missing .b"),
        ({"a": [ANSWER], "b": None}, "1 values have other keys"),
        ([1, 2], "not a JSON file: the ids are the keys of one object"),
    ],
)
def test_each_value_of_a_json_object_has_the_form_of_the_samples(
    submission: object, named: str, tmp_path: Path
) -> None:
    sample, path = tmp_path / "sample.json", tmp_path / "submission.json"
    sample.write_text(json.dumps({"a": [ANSWER], "b": [ANSWER, ANSWER]}))
    path.write_text(json.dumps(submission))
    if named:
        with pytest.raises(OutputError, match=named):
            check_output(path, sample)
    else:
        assert check_output(path, sample) == "2 rows, as in the sample"


def test_one_table_in_a_zip_is_the_submission(tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    (tmp_path / "sample.csv").write_text(SAMPLE)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("submission.csv", "image,labels\na.jpg,scab\nb.jpg,rust\n")
    assert check_output(path, tmp_path / "sample.csv") == "2 rows, as in the sample"
