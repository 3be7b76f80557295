"""Scores: each metric is that of its definition, and what does not fit is refused with the reason."""

import itertools
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.errors import CompetitionError, SubmissionError
from kaggle_local.scoring.classification import quadratic_kappa
from kaggle_local.scoring.competition import Competition, load_competition
from kaggle_local.scoring.metrics import METRICS, PARAMETERS
from kaggle_local.scoring.ranking import dice
from kaggle_local.scoring.regression import concordance
from kaggle_local.scoring.score import Scores, baseline_score, metric_of, score
from sklearn.metrics import cohen_kappa_score


def test_mean_f1_is_that_of_the_definition(competition: Path, tmp_path: Path) -> None:
    submission = tmp_path / "submission.csv"
    submission.write_text("image,labels\nz,rust\ny,scab\nx,scab rust\n")
    # x: 2·1/(1+2), y: 2·1/(2+1), z: 0.
    assert score(load_competition(competition), submission).public == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "did not write it"),
        ("", "not a CSV file"),
        ("image\nx\n", "no column labels"),
        ("image,labels,more\nx,scab,1\n", "columns image, labels, more"),
        ("image,labels\nx,scab\ny,scab\n", "2 rows"),
        ("image,labels\nx,scab\ny,scab\nw,scab\n", "image w is not in the test set"),
        ("image,labels\nx,scab\nx,scab\ny,rust\n", "occurs twice"),
        ("image,labels\nx,scab\ny,\nz,rust\n", "1 cells of labels are empty"),
    ],
)
def test_a_submission_that_does_not_fit_is_refused(
    text: str | None, reason: str, competition: Path, tmp_path: Path
) -> None:
    submission = tmp_path / "submission.csv"
    if text is not None:
        submission.write_text(text)
    with pytest.raises(SubmissionError, match=reason):
        score(load_competition(competition), submission)


def test_the_commonest_value_is_a_floor(competition: Path) -> None:
    (competition / "solution.csv").write_text("image,labels\nx,scab\ny,scab\nz,scab rust\n")
    assert baseline_score(load_competition(competition)) == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_an_unknown_metric_is_named(competition: Path) -> None:
    path = competition / "competition.toml"
    path.write_text(path.read_text().replace("mean-f1", "luck"))
    with pytest.raises(CompetitionError, match="luck"):
        score(load_competition(competition), competition / "solution.csv")


def make(folder: Path, metric: str, solution: str) -> Competition:
    """A competition of files whose solution is ``solution``: a line a row, the first one the columns."""
    columns = solution.split("\n", 1)[0].split(",")
    (folder / "public").mkdir(exist_ok=True)
    (folder / "public" / "test.csv").write_text("id\n1\n")
    (folder / "solution.csv").write_text(solution)
    (folder / "competition.toml").write_text(
        f'slug = "some"\ntitle = "Some"\nmetric = "{metric}"\nid = "id"\ntarget = {columns[1:]}\nsubmissions = "file"\n'
    )
    return load_competition(folder)


def score_of(folder: Path, metric: str, solution: str, submission: str) -> float:
    competition = make(folder, metric, solution)
    (folder / "submission.csv").write_text(submission)
    return score(competition, folder / "submission.csv").public


@pytest.mark.parametrize(
    ("metric", "solution", "submission", "expected"),
    [
        ("accuracy", "id,y\n1,a\n2,b\n3,c\n4,d\n", "id,y\n4,d\n3,x\n2,b\n1,a\n", 0.75),
        ("accuracy", "id,y\n1,1\n2,0\n", "id,y\n1,1.0\n2,0.0\n", 1.0),
        ("log-loss", "id,y\n1,1\n2,0\n", "id,y\n1,0\n2,0\n", -math.log(1e-15) / 2),
        ("rmse", "id,y\n1,1\n2,2\n", "id,y\n1,1\n2,4\n", math.sqrt(2)),
        ("rmse", "id,y,z\n1,1,0\n2,2,0\n", "id,y,z\n1,1,1\n2,4,1\n", (math.sqrt(2) + 1) / 2),
        ("log-loss", "id,y\n1,1\n2,0\n", "id,y\n1,0.8\n2,0.4\n", -(math.log(0.8) + math.log(0.6)) / 2),
        # Rows are divided by their sums: 0.2/0.8 and 0.6/0.6.
        ("log-loss", "id,a,b\n1,1,0\n2,0,1\n", "id,a,b\n1,0.2,0.6\n2,0,0.6\n", -math.log(0.25) / 2),
        # A row of zeros says nothing: each class as likely.
        ("log-loss", "id,a,b\n1,1,0\n2,0,1\n", "id,a,b\n1,0,0\n2,0,0\n", math.log(2)),
        # One of the two pairs of a 1 and a 0 is in order, one is a tie.
        ("auc", "id,y\n1,1\n2,0\n3,0\n", "id,y\n1,5\n2,5\n3,-1\n", 0.75),
        ("auc", "id,y,z\n1,1,0\n2,0,1\n", "id,y,z\n1,2,2\n2,1,1\n", 0.5),
        # One rating of four is two off: 1 - (1·4/4) / expected, over ratings 1 to 3.
        ("quadratic-kappa", "id,y\n1,1\n2,2\n3,3\n4,3\n", "id,y\n1,1\n2,2\n3,3\n4,3\n", 1.0),
        ("quadratic-kappa", "id,y\n1,1\n2,3\n", "id,y\n1,3\n2,1\n", -1.0),
        ("quadratic-kappa", "id,y\n1,2\n2,2\n", "id,y\n1,2\n2,2\n", 1.0),
        # Two of three a's are right, and the only b.
        ("balanced-accuracy", "id,y\n1,a\n2,a\n3,a\n4,b\n", "id,y\n1,a\n2,a\n3,b\n4,b\n", (2 / 3 + 1) / 2),
        # Precision 1/2, recall 1.
        ("f1", "id,y\n1,1\n2,0\n3,0\n", "id,y\n1,1\n2,1.0\n3,0\n", 2 / 3),
        ("f-beta@2", "id,y\n1,1\n2,0\n3,0\n", "id,y\n1,1\n2,1\n3,0\n", 5 * 0.5 / (4 * 0.5 + 1)),
        ("f-beta@0.5", "id,y\n1,1\n2,0\n3,0\n", "id,y\n1,1\n2,1\n3,0\n", 1.25 * 0.5 / (0.25 * 0.5 + 1)),
        # F1 of a 2/3, of b 2/3 with the weights 1 and 2; of c, which no row is, 0.
        ("f1-macro", "id,y\n1,a\n2,b\n3,b\n", "id,y\n1,a\n2,b\n3,c\n", (1 + 2 / 3 + 0) / 3),
        ("f1-weighted", "id,y\n1,a\n2,b\n3,b\n", "id,y\n1,a\n2,b\n3,c\n", (1 + 2 * 2 / 3) / 3),
        ("mcc", "id,y\n1,a\n2,a\n3,b\n4,b\n", "id,y\n1,a\n2,b\n3,b\n4,b\n", 2 / math.sqrt(12)),
        ("log-loss-multilabel", "id,a,b\n1,1,1\n2,0,0\n", "id,a,b\n1,0.8,0.5\n2,0.2,0.5\n", -math.log(0.4) / 2),
        # The one 1 is in the second place.
        ("pr-auc", "id,y\n1,1\n2,0\n3,0\n", "id,y\n1,5\n2,6\n3,-1\n", 0.5),
        ("gini", "id,y\n1,1\n2,0\n3,1\n4,0\n", "id,y\n1,9\n2,8\n3,7\n4,6\n", 0.5),
        ("rmsle", "id,y\n1,0\n2,3\n", "id,y\n1,0\n2,1\n", math.sqrt(math.log(2) ** 2 / 2)),
        ("mae", "id,y,z\n1,1,0\n2,2,0\n", "id,y,z\n1,1,1\n2,4,1\n", 1.0),
        ("mape", "id,y\n1,2\n2,-4\n", "id,y\n1,3\n2,-4\n", 0.25),
        ("smape", "id,y\n1,1\n2,0\n3,0\n", "id,y\n1,3\n2,0\n3,1\n", (100 + 0 + 200) / 3),
        ("r2", "id,y\n1,1\n2,2\n3,3\n", "id,y\n1,1\n2,2\n3,4\n", 0.5),
        ("pinball@0.9", "id,y\n1,1\n2,1\n", "id,y\n1,0\n2,2\n", (0.9 + 0.1) / 2),
        ("pearson", "id,y\n1,1\n2,2\n3,3\n", "id,y\n1,1\n2,2\n3,6\n", 5 / math.sqrt(28)),
        ("spearman", "id,y\n1,1\n2,2\n3,3\n", "id,y\n1,1\n2,5\n3,6\n", 1.0),
        # One of the three pairs is in order, one is not, one is a tie.
        ("concordance", "id,y\n1,1\n2,2\n3,3\n", "id,y\n1,2\n2,1\n3,2\n", 0.5),
        # The first label is right in the second place, and counts once; the fourth is too late.
        ("map@3", "id,y\n1,a\n2,b\n3,c\n", "id,y\n1,x a a\n2,b\n3,x y z c\n", (1 / 2 + 1 + 0) / 3),
        ("map@2", "id,y\n1,a b c\n", "id,y\n1,c a\n", 1.0),
        ("ndcg@2", "id,y\n1,a\n2,a b\n", "id,y\n1,x a\n2,b a\n", (1 / math.log2(3) + 1) / 2),
        ("levenshtein", "id,y\n1,kitten\n2,a\n", "id,y\n1,sitting\n2,\n", 2.0),
        ("wer", "id,y\n1,the cat sat\n2,on it\n", "id,y\n1,the hat sat\n2,it\n", 2 / 5),
        # Four of the five and seven pixels are the same; two empty masks are equal; one against none is not.
        ("dice", "id,y\n1,1 5\n2,\n3,\n", "id,y\n1,2 4 20 3\n2,\n3,7 1\n", (2 * 4 / 12 + 1 + 0) / 3),
        # The surest box has the object to two thirds, which four of six thresholds take; the other is a false alarm.
        ("iou-map", "id,y\n1,1 0 0 10 10\n", "id,y\n1,0.2 0 0 10 10 0.9 2 0 10 10\n", (4 * 0.5 + 2 * 0.5) / 6),
        ("iou-map", "id,y\n1,\n2,1 0 0 4 4\n", "id,y\n1,\n2,\n", (1 + 0) / 2),
        ("iou-map", "id,y\n1,1 0 0 4 4 1 8 8 4 4\n", "id,y\n1,0.5 8 8 4 4\n", 0.5),
    ],
)
def test_each_metric_is_that_of_its_definition(
    metric: str, solution: str, submission: str, expected: float, tmp_path: Path
) -> None:
    assert score_of(tmp_path, metric, solution, submission) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "solution", "submission", "reason"),
    [
        ("rmse", "id,y\n1,1\n2,2\n", "id,y\n1,1\n2,many\n", "y of id 2 is 'many', not a number"),
        ("rmse", "id,y\n1,1\n2,2\n", "id,y\n1,1\n2,nan\n", "y of id 2 is 'nan', not a number"),
        ("rmse", "id,y\n1,1\n2,2\n", "id,y\n1,-inf\n2,1\n", "y of id 1 is '-inf', not a number"),
        ("log-loss", "id,y\n1,1\n2,0\n", "id,y\n1,1.2\n2,0\n", "'1.2', not a probability from 0 to 1"),
        ("quadratic-kappa", "id,y\n1,1\n2,2\n", "id,y\n1,1.5\n2,2\n", "'1.5', not a whole number"),
        ("auc", "id,y\n1,1\n2,0\n", "id,y\n1,\n2,0\n", "1 cells of y are empty"),
        ("auc", "id,y\n1,1\n2,0\n", "id,z\n1,1\n2,0\n", "no column y"),
        ("auc", "id,y\n1,1\n2,0\n", "y,id,z\n1,1,1\n0,2,1\n", "columns y, id, z"),
        ("accuracy", "id,y\n1,a\n2,b\n", "id,y\n1,a\n1,b\n", "id 1 occurs twice"),
        ("accuracy", "id,y\n1,a\n2,b\n", "id,y\n1,a,\n2,b,\n", "not a CSV file"),
        ("rmse", "id,y\n1,1\n2,2\n", "id,y\n1,1e200\n2,1\n", "is not a number"),
        ("accuracy", "id,y\n1,a\n2,b\n", "id,y\n1,a\n", "1 rows, the test set has 2"),
        ("accuracy", "id,y\n1,a\n2,b\n3,c\n", "id,y\n1,a\n8,b\n9,c\n", "id 8 is not in the test set, nor are 1 others"),
        ("rmsle", "id,y\n1,1\n2,2\n", "id,y\n1,1\n2,-0.5\n", "'-0.5', not a number of 0 or more"),
        ("spearman", "id,y\n1,1\n2,2\n", "id,y\n1,1\n2,1\n", "its spearman is not a number\nPredict .*not the same"),
        ("dice", "id,y\n1,1 5\n", "id,y\n1,1 5 7\n", "y of id 1 is not a run-length encoded mask: a start without"),
        ("dice", "id,y\n1,1 5\n", "id,y\n1,1 5 3 2\n", "runs overlap"),
        ("dice", "id,y\n1,1 5\n", "id,y\n1,one 5\n", "invalid literal"),
        ("map@3", "id,y\n1,a\n2,b\n", "id,y\n1,a\n2,\n", "1 cells of y are empty"),
        ("iou-map", "id,y\n1,1 0 0 4 4\n", "id,y\n1,0 0 4 4\n", "y of id 1 is not a list of boxes: a box is five"),
        ("iou-map", "id,y\n1,1 0 0 4 4\n", "id,y\n1,1 0 0 4 0\n", "a side of a box is not above 0"),
    ],
)
def test_what_does_not_fit_is_named(metric: str, solution: str, submission: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=reason):
        score_of(tmp_path, metric, solution, submission)


@pytest.mark.parametrize(
    ("metric", "solution", "reason"),
    [
        ("auc", "id,y\n1,2\n2,0\n", "other cells than 0 and 1"),
        ("rmse", "id,y\n1,a\n2,0\n", "not a number"),
        ("accuracy", "id,y,z\n1,a,b\n", "of one column"),
        ("accuracy", "id,y\n1,a\n1,b\n", "occurs twice"),
        ("accuracy", "id,y\n", "none at all"),
        ("log-loss", "id,a,b\n1,1,1\n", "not just one 1"),
        ("auc", "id,y\n1,1\n2,1\n", "nothing but one of 0 and 1"),
        ("f1", "id,y\n1,a\n2,b\n", "other cells than 0 and 1"),
        ("mcc", "id,y\n1,a\n2,a\n", "every row has the same label"),
        ("mape", "id,y\n1,0\n2,1\n", "a cell of 0"),
        ("r2", "id,y\n1,3\n2,3\n", "the same in every row"),
        ("gini", "id,y\n1,-1\n2,3\n", "a cell below 0"),
        ("wer", "id,y\n1,\n2,a\n", "a row has no label"),
        ("map@0", "id,y\n1,a\n", r"no metric is called 'map@0'\nKnown are: .*, map@K, "),
        ("map@2.5", "id,y\n1,a\n", "no metric is called"),
        ("pinball@1", "id,y\n1,1\n", "no metric is called"),
        ("rmse@2", "id,y\n1,1\n", "no metric is called"),
    ],
)
def test_a_solution_that_does_not_suit_its_metric_is_the_hosts_fault(
    metric: str, solution: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CompetitionError, match=reason):
        baseline_score(make(tmp_path, metric, solution))


@settings(max_examples=200)
@given(pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_quadratic_kappa_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (pd.DataFrame({"y": column}, dtype=float) for column in zip(*pairs, strict=True))
    if len({rating for pair in pairs for rating in pair}) > 1:
        ratings = list(range(7))
        expected = cohen_kappa_score(
            truth["y"].astype(int), predicted["y"].astype(int), labels=ratings, weights="quadratic"
        )
        assert quadratic_kappa(truth, predicted) == pytest.approx(expected)


def test_one_wild_rating_costs_no_memory(tmp_path: Path) -> None:
    assert score_of(tmp_path, "quadratic-kappa", "id,y\n1,1\n2,2\n", "id,y\n1,1\n2,1e12\n") == pytest.approx(
        0, abs=1e-9
    )


def test_every_metric_says_which_way_is_better() -> None:
    less = "log-loss log-loss-multilabel rmse rmsle mae mape smape levenshtein wer"
    assert {name for name, metric in METRICS.items() if not metric.greater_is_better} == set(less.split())


@settings(max_examples=200)
@given(pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12))
def test_concordance_is_that_of_all_pairs(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (pd.DataFrame({"y": column}, dtype=float) for column in zip(*pairs, strict=True))
    found = []
    for (a, p), (b, q) in itertools.combinations(pairs, 2):
        if a != b:
            found.append(0.5 if p == q else float((a < b) == (p < q)))
    if found:
        assert concordance(truth, predicted) == pytest.approx(sum(found) / len(found))


RUNS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), max_size=6)


@given(a=RUNS, b=RUNS)
def test_dice_is_that_of_the_sets_of_pixels(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    masks, sets = [], []
    for runs in (a, b):
        words, members, place = [], set(), 0
        for gap, length in runs:
            place += gap + 1
            words += [str(place), str(length)]
            members |= set(range(place, place + length))
            place += length
        masks.append(" ".join(words))
        sets.append(members)
    size = len(sets[0]) + len(sets[1])
    expected = 2 * len(sets[0] & sets[1]) / size if size else 1.0
    truth, predicted = (pd.DataFrame({"y": [mask]}) for mask in masks)
    assert dice(truth, predicted) == pytest.approx(expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(content=st.binary(max_size=120))
def test_no_bytes_raise_anything_else(content: bytes, tmp_path: Path) -> None:
    competition = make(tmp_path, "rmse", "id,y\n1,1\n2,2\n")
    (tmp_path / "submission.csv").write_bytes(content)
    with pytest.raises(SubmissionError):
        score(competition, tmp_path / "submission.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4)
@given(
    values=st.lists(st.integers(min_value=0, max_value=1), min_size=2, max_size=8).filter(lambda v: len(set(v)) == 2)
)
def test_the_truth_itself_is_the_best_submission(values: list[int], tmp_path: Path) -> None:
    for name in [*METRICS, *PARAMETERS.values()]:
        # A mask has a length, and nothing is divided by 0.
        cell = {"dice": "1 {}", "iou-map": "1 {0} {0} 2 2"}.get(name, "{}")
        shift = int(name in ("dice", "mape"))
        table = "id,y\n" + "".join(f"{n},{cell.format(value + shift)}\n" for n, value in enumerate(values))
        best = score_of(tmp_path, name, table, table)
        floor = baseline_score(make(tmp_path, name, table))
        if name == "gini":
            # Ties keep their order, which can be the right one.
            assert best >= floor
        else:
            assert metric_of(make(tmp_path, name, table)).greater_is_better == (best > floor), name


def test_each_leaderboard_has_a_score_of_its_own(tmp_path: Path) -> None:
    competition = make(tmp_path, "accuracy", "id,y\n1,a\n2,b\n3,c\n4,d\n")
    (tmp_path / "solution.csv").write_text("id,y,Usage\n1,a,Private\n2,b,Public\n3,a,Private\n4,a,Ignored\n")
    (tmp_path / "submission.csv").write_text("id,y\n4,d\n3,x\n2,b\n1,a\n")
    assert score(competition, tmp_path / "submission.csv") == Scores(public=1.0, private=0.5)
    # The most common row of all, for the public ones.
    assert baseline_score(competition) == 0
    # A row that counts nowhere does not.
    (tmp_path / "solution.csv").write_text("id,y,Usage\n1,a,Public\n2,b,Ignored\n3,b,Ignored\n4,a,Public\n")
    assert baseline_score(competition) == 1
    (tmp_path / "solution.csv").write_text("id,y,Usage\n1,a,Private\n2,b,Ignored\n")
    with pytest.raises(CompetitionError, match="no row's Usage is Public"):
        score(competition, tmp_path / "submission.csv")
