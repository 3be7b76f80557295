"""Code is read for what it needs: imports, input paths, pip's lines; whatever it holds."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.fetching import fetches
from kaggle_offline.hard_coded_paths import input_paths, with_inputs_found
from kaggle_offline.source_code import (
    distributions_of,
    imported_modules,
    parse,
    pip_installs,
    without_magics,
    without_pip,
)

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
    ("line", "requirements", "other"),
    [
        ("!pip install timm", ("timm",), ()),
        ("  %pip install -q timm==1.0.26", ("timm==1.0.26",), ()),
        ("!pip3 install 'a[b]>=1,<2' c", ("a[b]<2,>=1", "c"), ()),
        ("!python3 -m pip install --no-deps a", ("a",), ()),
        ("!{sys.executable} -m pip install a", ("a",), ()),
        ("!uv pip install a", ("a",), ()),
        ("!pip install --no-index --find-links /kaggle/input/wheels a", ("a",), ()),
        ("!pip install /kaggle/input/wheels/a.whl", (), ("/kaggle/input/wheels/a.whl",)),
        ("!pip install a 2>/dev/null && echo b", ("a",), ()),
        ("!pip install a > /dev/null; pip list", ("a",), ()),
        ("!pip install a # and b", ("a",), ()),
        ("!pip install 'a; python_version < \"4\"' && echo b", ('a; python_version < "4"',), ()),
        ("!pip install --root-user-action ignore --python-version 3.11 a", ("a",), ()),
        ("!pip install -r list.txt a", ("a",), ("list.txt",)),
        # What a shell would not take either.
        ("!pip install 'a b", ("b",), ("'a",)),
    ],
)
def test_pip_lines_are_read(line: str, requirements: tuple[str, ...], other: tuple[str, ...]) -> None:
    (found,) = pip_installs(f"import x\n{line}\nprint()")
    assert (found.line, found.requirements, found.other) == (2, requirements, other)
    assert pip_installs(without_pip(line)) == []


@pytest.mark.parametrize("line", ["# !pip install a", "pip = 'pip install a'", "!pip list", "!ls pip install"])
def test_what_only_looks_like_one_is_none(line: str) -> None:
    assert pip_installs(line) == []
    assert without_pip(line) == line


@pytest.mark.parametrize(
    ("code", "instead"),
    [
        ("'/kaggle/input/apples/train.csv'", "f\"{find_input('apples')}/train.csv\""),
        ("'/kaggle/input/apples'", "f\"{find_input('apples')}\""),
        ("'../input/apples/'", "f\"{find_input('apples')}/\""),
        ("'../../input/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/competitions/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/datasets/somebody/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/notebooks/somebody/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/models/google/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/c/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/apples/{}.csv'", "f\"{find_input('apples')}/{{}}.csv\""),
        ("f'/kaggle/input/apples/{name}.csv'", "f'{find_input(\"apples\")}/{name}.csv'"),
        ('f"../input/apples/{name}.csv"', "f\"{find_input('apples')}/{name}.csv\""),
        ("'cp /kaggle/input/apples/x .'", ""),
        ("f'{root}/kaggle/input/apples'", ""),
        ("r'/kaggle/input/apples/' f'{x}'", ""),
    ],
)
def test_a_path_is_found_and_said_otherwise(code: str, instead: str) -> None:
    line = f"x = open({code})"
    (found,) = input_paths(line)
    assert (found.slug, found.text, found.instead) == ("apples", code, instead)
    replaced = with_inputs_found(line)
    assert replaced == (f"x = open({instead})" if instead else line)
    ast.parse(replaced)


@pytest.mark.parametrize(
    "code",
    [
        "'../input/train.csv'",
        "'../input/apples*/x'",
        "f'../input/apples{n}/x'",
        "'/kaggle/input/apples.zip'",
        "'../input/'",
        "Path('/kaggle/input') / slug",
        "'../input/%s/x' % slug",
        "'/kaggle/input/Apples/x'",
    ],
)
def test_a_slug_that_does_not_stand_there_whole_is_none(code: str) -> None:
    (found,) = input_paths(f"x = {code}")
    assert (found.slug, found.instead) == ("", "")
    assert with_inputs_found(f"x = {code}") == f"x = {code}"


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
    ],
)
def test_what_ipython_takes_is_python(code: str) -> None:
    assert parse(code) is not None
    assert pip_installs(code) == []
    assert without_pip(code) == code


def test_a_block_of_a_pip_line_alone_stays_one() -> None:
    assert parse(without_pip("if True:\n    !pip install a\n")) is not None


@pytest.mark.parametrize(
    "code",
    ["os.walk('/kaggle/input')", "glob('/kaggle/input/**/x')", "'/kaggle/working/x'", '"""../input/apples"""', "1"],
)
def test_what_searches_or_is_prose_is_no_hard_coded_path(code: str) -> None:
    assert input_paths(code) == []


def test_imports_are_found_but_for_the_standard_library() -> None:
    tree = parse("%load_ext x\nimport os, numpy as np\nfrom sklearn.svm import SVC\nfrom . import y\nimport a.b.c\n")
    assert tree is not None
    assert imported_modules(tree) == {"numpy": 2, "sklearn": 3, "a": 5}


def test_what_code_does_without_is_not_needed() -> None:
    tree = ast.parse(
        "try:\n    import cupy\nexcept ImportError:\n    cupy = None\nif TYPE_CHECKING:\n    import b\nimport c\n"
        "try:\n    import d\nexcept:\n    d = 0\nwith suppress(ImportError):\n    import e\n"
        "if find_spec('f'):\n    import f\n"
    )
    assert set(imported_modules(tree)) == {"b", "c", "cupy", "d", "e", "f"}
    assert set(imported_modules(tree, needed=True)) == {"c"}


def test_what_code_does_without_only_at_first_sight_is_needed() -> None:
    tree = ast.parse(
        "try:\n    import a\nexcept ImportError:\n    raise\n"
        "try:\n    import b\nexcept ImportError:\n    import c\nelse:\n    import d\n"
        "if TYPE_CHECKING:\n    import e\nelse:\n    import f\n"
        "if not TYPE_CHECKING:\n    import g\n"
        "importlib.import_module('h.i')\n__import__('j')\n"
    )
    assert set(imported_modules(tree, needed=True)) == {"a", "c", "d", "f", "g", "h", "j"}


@pytest.mark.parametrize(("module", "name"), [("sklearn", "scikit-learn"), ("pytorch_lightning", "pytorch-lightning")])
def test_modules_come_in_distributions(module: str, name: str) -> None:
    assert distributions_of(module)[0] == name


@pytest.mark.parametrize(
    "code",
    [
        "timm.create_model('x', pretrained=True)",
        "torch.hub.load('x')",
        "!wget x",
        "urlopen('x')",
        "%pip list\n!git clone x",
    ],
)
def test_what_fetches_is_seen(code: str) -> None:
    assert len(fetches(code)) == 1


@pytest.mark.parametrize(
    "code", ["create_model('x', pretrained=False)", "create_model('x', pretrained=p)", "# !wget x"]
)
def test_what_does_not_fetch_is_not_said_to(code: str) -> None:
    assert fetches(code) == []
