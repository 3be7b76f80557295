"""Cells of train.csv and submission.csv: what is encoded is decoded, and nothing is ever empty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plant_pathology.labels import FREQUENCIES, LABELS, decode, encode

probabilities = st.lists(st.floats(0, 1), min_size=len(LABELS), max_size=len(LABELS))


@given(probabilities, st.floats(0, 1))
def test_no_leaf_gets_an_empty_label(values: list[float], threshold: float) -> None:
    names = decode(values, threshold).split()
    assert names
    assert set(names) <= set(LABELS)
    assert len(names) == 1 or "healthy" not in names
    assert LABELS[int(np.argmax(values))] in names, "the most probable label is always kept"


@pytest.mark.parametrize("cell", FREQUENCIES)
def test_what_is_encoded_is_decoded(cell: str) -> None:
    assert decode(encode(cell)) == " ".join(sorted(cell.split()))


@pytest.mark.parametrize(("cell", "named"), [("", "empty"), ("  ", "empty"), ("scab mould", "unknown mould")])
def test_a_cell_that_is_none_is_named(cell: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        encode(cell)
