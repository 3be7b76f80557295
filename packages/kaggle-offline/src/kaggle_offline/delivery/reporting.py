"""The report on a result, with the content of the submission."""

from collections.abc import Sequence

from kaggle_offline.delivery.predictions import cross_validation, read_predictions
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.reports.report import write_report
from kaggle_offline.reports.result import Result
from kaggle_offline.repository.kernel_folder import KernelFolder


def report(kernel: KernelFolder, result: Result, notes: Sequence[str] = ()) -> list[float]:
    """Write the reports of a competition; return the scores of its cross-validation, which may be none.

    Args:
        kernel: the competition.
        result: of its last run.
        notes: sentences that stand below the score.
    """
    folds: list[float] = []
    try:
        folds = cross_validation(kernel)
    except ConfigurationError as error:
        # The submission is made; its report does without.
        print(f"  {error.problem}\n    → {error.cure}")
    predictions = None
    try:
        predictions = read_predictions(kernel)
    except (ValueError, ArithmeticError, MemoryError) as error:
        # A kernel can write any numbers, and the score counts more than their picture.
        print(f"  {kernel.settings.output}: no picture of its distribution: {error}")
    limits = kernel.settings.limits
    write_report(kernel.build, kernel.competition, result, limits, predictions=predictions, folds=folds, notes=notes)
    return folds
