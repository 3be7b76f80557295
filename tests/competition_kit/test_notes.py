"""Notes of time and memory."""

import re

import pytest
from competition_kit.notes import noted, peak_memory


def test_a_block_is_noted_when_it_has_ended_well(capsys: pytest.CaptureFixture[str]) -> None:
    with noted("read 3 rows"):
        pass
    assert re.fullmatch(r"read 3 rows: 0\.\d s, \d+ MiB at the peak\n", capsys.readouterr().out)
    with pytest.raises(KeyError), noted("failed"):
        raise KeyError
    assert capsys.readouterr().out == ""


def test_the_peak_is_that_of_the_whole_process() -> None:
    before = peak_memory()
    assert before > 2**20
    bytearray(b"x") * (before + 2**25)
    assert peak_memory() > before
