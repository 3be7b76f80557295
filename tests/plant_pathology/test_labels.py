"""Cells of train.csv and submission.csv: what is encoded is decoded, and nothing is ever empty."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plant_pathology.labels import FREQUENCIES, LABELS, choose, decode, encode

Shares = npt.NDArray[np.float32]

shares = arrays(np.float32, (len(LABELS),), elements=st.floats(0, 1, width=32))


@given(shares, shares)
def test_no_leaf_gets_an_empty_label(probabilities: Shares, thresholds: Shares) -> None:
    (cell,) = decode(choose(probabilities[None], thresholds))
    names = cell.split()
    assert names
    assert set(names) <= set(LABELS)
    assert len(names) == 1 or "healthy" not in names
    best = LABELS[int(np.argmax(probabilities - thresholds))]
    assert best in names, "the label that is furthest above its threshold, or least below, is always kept"
    above = {label for label, p, t in zip(LABELS, probabilities, thresholds, strict=True) if p > t}
    if best != "healthy":
        assert set(names) == (above - {"healthy"} or {best})


@pytest.mark.parametrize("cell", FREQUENCIES)
def test_what_is_encoded_is_decoded(cell: str) -> None:
    assert decode(choose(encode(cell)[None])) == [" ".join(sorted(cell.split()))]


@pytest.mark.parametrize(("cell", "named"), [("", "empty"), ("  ", "empty"), ("scab mould", "unknown mould")])
def test_a_cell_that_is_none_is_named(cell: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        encode(cell)
