"""Printed text cannot steer a terminal or a workflow run, whoever made it and however it is cut."""

import contextlib
import io
import re
import sys
import threading
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_local.terminal import safe_output

HOSTILE = (
    "\x1b]52;c;cm0gLXJmIH4=\x07",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b2J",
    "\u202etxt.exe",
    "::error::it is",
    "  ::set-output name=a::b",
    "progress\r::stop-commands::x",
    "words ##[add-mask]x",
    "\x00\x08\x7f",
)


def printed(*pieces: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as stream, safe_output():
        for piece in pieces:
            print(piece, end="")
    return stream.getvalue()


def obeyed(text: str) -> list[str]:
    """The lines that GitHub's runner takes for commands: those that begin with `::`, and all with `##[`."""
    return [line for line in re.split("[\r\n]", text) if line.lstrip().startswith("::") or "##[" in line]


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(":#[ \r\nx"), st.text()), max_size=8), st.data())
def test_nothing_is_obeyed(texts: list[str], data: st.DataObject) -> None:
    text = "".join(texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    shown = printed(*pieces)
    assert shown == printed(text), "however it is cut"
    assert obeyed(shown) == []
    assert all(c.isprintable() or c in "\r\n\t" or unicodedata.category(c) == "Zs" for c in shown)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters=":#")))
def test_harmless_text_is_printed_as_it_is(text: str) -> None:
    assert printed(text + "\n") == text + "\n"
    assert printed("std::vector, 3 ## notes\n") == "std::vector, 3 ## notes\n"


def test_threads_do_not_tear_each_others_lines() -> None:
    def write(word: str) -> None:
        for _ in range(300):
            print(word, end="")

    with contextlib.redirect_stdout(io.StringIO()) as stream, safe_output():
        threads = [threading.Thread(target=write, args=(word,)) for word in ("abc", "def", "::", "##[")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    shown = stream.getvalue()
    assert len(shown.replace(" ", "")) == 300 * 11
    assert obeyed(shown) == []


def test_it_may_outlive_the_stream_that_it_writes_to() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as stream, safe_output():
        safe = sys.stdout
        print("said")
    stream.close()
    safe.close()


def test_a_mistake_of_ours_is_a_traceback_that_steers_nothing() -> None:
    with (
        contextlib.redirect_stderr(io.StringIO()) as stream,
        pytest.raises(SystemExit) as caught,
        safe_output(),
    ):
        raise LookupError("\n::error::\x1b[2J")
    assert caught.value.code == 1
    assert "LookupError" in stream.getvalue()
    assert obeyed(stream.getvalue()) == []
    assert "\x1b" not in stream.getvalue()
