"""Cells: any code is read without an error, and Python stays Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.code.cells import magics, parse, without_magics
from kaggle_offline.code.input_paths import input_paths, with_inputs_found
from kaggle_offline.code.network_access import fetches
from kaggle_offline.code.pip_commands import pip_installs, without_pip

# Lines as cells have them, whole and broken.
LINES = st.sampled_from(
    [
        "import numpy as np",
        "!pip install -q timm",
        "%pip install a b>=2 \\",
        "    c==1",
        "if True:",
        "    !pip install x",
        "p = '/kaggle/input/apples/x.csv'",
        'q = f"../input/pears/{p}"',
        'r = """/kaggle/input/plums',
        '"""',
        "def f(:",
        "é = 'ü /kaggle/input/äpfel'; s = '/kaggle/input/figs'",
        "",
    ]
)


@given(st.lists(LINES | st.text(max_size=20), max_size=12).map("\n".join))
def test_no_code_raises_anything_and_what_was_python_stays_python(code: str) -> None:
    pip_installs(code)
    fetches(code)
    was = parse(code)
    now = with_inputs_found(without_pip(code))
    if was is not None:
        assert parse(now) is not None
        assert not [path for path in input_paths(now) if path.instead]
    assert len(without_magics(code).splitlines()) <= len(code.splitlines())


@pytest.mark.parametrize(
    "code",
    [
        "def f(p): return'../input/apples/x'",
        "x = f\"{open('../input/apples/a.csv').read()}\"",
    ],
)
def test_what_would_be_no_python_any_more_stays(code: str) -> None:
    assert with_inputs_found(code) == code


@pytest.mark.parametrize(
    "code",
    [
        "x = ('%s'\n     % a)",
        "files = !ls",
        "%%bash\nls | wc",
        "%%time\nx = 1",
        "if a:\n    !ls",
        'y = """\n!pip install a\n"""',
        'y = """\n!pip install a\n"""\n!ls',
        "x = [\n    1\n    % 2\n]\n%time f()",
        "a.b?\n?a\nx = %timeit -o f()",
        "ls data\ncd ..",
    ],
)
def test_what_ipython_takes_is_python(code: str) -> None:
    assert parse(code) is not None
    assert pip_installs(code) == []
    assert without_pip(code) == code


@pytest.mark.parametrize("code", ["print('hi')?", "f(x)?", "x='\ud800'\n!ls"])
def test_what_ipython_refuses_is_not_python(code: str) -> None:
    assert parse(code) is None


def test_lines_keep_their_numbers() -> None:
    code = "x = 1\n!pip install a \\\n    b\ny = 2\nf(\n  x)\nz?\n"
    assert magics(code) == [(2, "!pip install a \\\n    b"), (7, "z?")]
    assert without_magics(code).split("\n") == ["x = 1", "pass", "", "y = 2", "f(", "  x)", "pass", ""]


def test_a_block_of_a_pip_line_alone_stays_one() -> None:
    assert parse(without_pip("if True:\n    !pip install a\n")) is not None
