"""A stand-in for the module of that name that Kaggle's own metrics import: the same names, the same behaviour.

Written from the metrics that use it (the R2 score and others under kaggle.com/metric).
"""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

# The sum of a row of probabilities may differ from 1 by rounding.
_TOLERANCE = 1e-6


class ParticipantVisibleError(Exception):
    """An error that participants see."""


class HostVisibleError(Exception):
    """An error that the host alone sees."""


def treat_as_participant_error(error_message: str, solution: pd.DataFrame) -> bool:
    """Tell whether a message can be shown: it must not give anything of the solution away."""
    has_bools = any(is_bool_dtype(solution[column]) for column in solution)
    if has_bools and re.search("true|false", error_message, re.IGNORECASE):
        return False
    numeric = all(is_numeric_dtype(solution[column]) for column in solution)
    return numeric and not re.search(r"\d", error_message)


def safe_call_score(
    metric_function: Callable[..., Any], solution: pd.DataFrame, submission: pd.DataFrame, **metric_func_kwargs: Any
) -> Any:
    """Call a metric of a library; its errors are shown where they give nothing away."""
    try:
        return metric_function(solution, submission, **metric_func_kwargs)
    except Exception as error:
        if treat_as_participant_error(str(error), solution):
            raise ParticipantVisibleError(str(error)) from error
        raise HostVisibleError(str(error)) from error


def verify_valid_probabilities(df: pd.DataFrame, df_name: str) -> None:
    """Check that a table has numbers from 0 to 1 whose rows add up to 1."""
    if not all(is_numeric_dtype(df[column]) for column in df):
        raise ParticipantVisibleError(f"All target values in {df_name} must be numeric")
    if df.min().min() < 0:
        raise ParticipantVisibleError(f"All target values in {df_name} must be at least zero")
    if df.max().max() > 1:
        raise ParticipantVisibleError(f"All target values in {df_name} must be no greater than one")
    if not ((df.sum(axis=1) - 1).abs() < _TOLERANCE).all():
        raise ParticipantVisibleError(f"Target values in {df_name} do not add to one within all rows")
