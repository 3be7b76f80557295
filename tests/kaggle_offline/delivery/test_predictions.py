"""The distribution of a submission's predictions, next to the labels that were trained on."""

from pathlib import Path

import pytest
from kaggle_offline.delivery.predictions import cross_validation, read_predictions
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.reports.distribution import Bins, Predictions, Shares
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder


@pytest.fixture
def kernel(repository: Path) -> KernelFolder:
    kernel = read_kernel_folder(repository, "small")
    (kernel.build / "output").mkdir(parents=True)
    (kernel.build / "competition" / "public").mkdir(parents=True)
    return kernel


def write(kernel: KernelFolder, submission: str, labels: str = "") -> None:
    (kernel.build / "output" / "submission.csv").write_text(submission)
    if labels:
        (kernel.build / "competition" / "public" / "examples.csv").write_text(labels)


def distributed(kernel: KernelFolder) -> Predictions:
    """The distribution of a submission that can be read."""
    found = read_predictions(kernel)
    assert found is not None
    return found


def test_labels_are_compared_whatever_the_capitals_of_the_column(kernel: KernelFolder) -> None:
    write(kernel, "id,Label\n1,a\n2,a\n3,a\n4,b\n", "id,label\n9,a\n8,c\n")
    found = distributed(kernel)
    assert found.rows == 4
    assert found.targets == [
        Shares(column="Label", predicted={"a": 0.75, "b": 0.25, "c": 0.0}, trained={"a": 0.5, "b": 0.0, "c": 0.5})
    ]
    assert found.confidence is None


def test_numbers_are_counted_between_edges(kernel: KernelFolder) -> None:
    rows = "".join(f"{number},{number}.5\n" for number in range(100))
    write(kernel, f"id,price\n{rows}", "id,price\n1,0\n2,199.5\n")
    found = distributed(kernel)
    (bins,) = found.targets
    assert isinstance(bins, Bins)
    assert (bins.edges[0], bins.edges[-1]) == (0.0, 199.5)
    assert sum(bins.predicted) == pytest.approx(1)
    assert bins.trained is not None
    assert bins.trained[0] == bins.trained[-1] == 0.5
    assert found.confidence is None


def test_numbers_of_any_size_are_no_harm(kernel: KernelFolder) -> None:
    rows = "".join(f"{number},{number}.5\n" for number in range(20))
    write(kernel, f"id,price\n{rows}98,inf\n99,-inf\n", "id,price\n1,inf\n2,inf\n")
    found = distributed(kernel)
    (bins,) = found.targets
    assert isinstance(bins, Bins)
    assert bins.edges[-1] == 19.5
    assert bins.trained is None


def test_labels_are_compared_as_numbers_where_they_are_numbers(kernel: KernelFolder) -> None:
    write(kernel, "id,y\n1,1.0\n2,0.0\n", "id,y\n1,1\n2,1\n3,0\n")
    found = distributed(kernel)
    (shares,) = found.targets
    assert isinstance(shares, Shares)
    assert set(shares.predicted) == {"0", "1"}


def test_probabilities_have_a_confidence(kernel: KernelFolder) -> None:
    write(kernel, "id,a,b\n1,0.9,0.1\n2,0.5,0.5\n")
    found = distributed(kernel)
    assert found.confidence is not None
    assert [share for share in found.confidence.predicted if share] == [0.5, 0.5]
    write(kernel, "id,target\n1,0.1\n2,0.9\n")
    found = distributed(kernel)
    assert found.confidence is not None
    # Far from one half is sure, on either side.
    assert max(found.confidence.predicted) == 1


@pytest.mark.parametrize("submission", ["", "id\n1\n", "id,a\n", 'id,a\n1,"'])
def test_what_cannot_be_read_has_no_distribution(submission: str, kernel: KernelFolder) -> None:
    assert read_predictions(kernel) is None
    write(kernel, submission, "nothing")
    assert read_predictions(kernel) is None


def test_a_cross_validation_is_read(kernel: KernelFolder) -> None:
    assert cross_validation(kernel) == []
    path = kernel.folder / "cross_validation.json"
    path.write_text('{"scores": [0.5, 1]}')
    assert cross_validation(kernel) == [0.5, 1.0]
    for text in ("", "[]", '{"scores": ["a"]}', '{"scores": 3}'):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=r"cross_validation\.json"):
            cross_validation(kernel)
