"""A notebook's meaning is kept: cells, inputs, requirements; what cannot be kept is said."""

import json
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.scaffold.adopt import Adopted, adopt

CODE, MARKDOWN = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


def adopted(folder: Path, *cells: str | Any, metadata: dict[str, Any] | None = None) -> Adopted:
    """Adopt a notebook of these cells, texts being code, with Kaggle's metadata beside it."""
    made = [CODE(cell) if isinstance(cell, str) else cell for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / "x.ipynb")
    if metadata is not None:
        (folder / "kernel-metadata.json").write_text(json.dumps({"code_file": "x.ipynb", **metadata}))
    return adopt(folder / "x.ipynb", "apples", {"einops", "pandas", "requests", "shapely", "timm"})


def cells_of(result: Adopted, count: int) -> list[tuple[str, str]]:
    """Return the last cells of a kernel, as `push` reads them."""
    cells = jupytext.reads(result.code, fmt="py:percent").cells
    return [(cell.cell_type, cell.source) for cell in cells[-count:]]


def test_fences_that_end_after_a_text_swallow_no_cell(tmp_path: Path) -> None:
    first, last = MARKDOWN("Run once:\n```\nprepare()```"), MARKDOWN("Then:\n```\nother()\n```")
    result = adopted(tmp_path, first, "train = 1", "model = train + 1", last, "print(model)")
    assert cells_of(result, 5) == [
        ("markdown", "Run once:\n```\nprepare()\n```"),
        ("code", "train = 1"),
        ("code", "model = train + 1"),
        ("markdown", "Then:\n```\nother()\n```"),
        ("code", "print(model)"),
    ]


def test_longer_fences_swallow_no_cell_either(tmp_path: Path) -> None:
    result = adopted(tmp_path, MARKDOWN("````"), "x = 1", MARKDOWN("````"), "y = 2")
    assert [source for kind, source in cells_of(result, 4) if kind == "code"] == ["x = 1", "y = 2"]


@pytest.mark.parametrize("line", ["", "--bg", "--proc p"])
def test_python_for_another_process_stays_there(line: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, f"%%python {line}\nimport os\nos._exit(0)".replace(" \n", "\n"))
    call = f"get_ipython().run_cell_magic('python', {line!r}, 'import os\\nos._exit(0)')"
    assert cells_of(result, 1) == [("code", call)]
    assert result.requirements == ()


# Markdown of any letters; its lines begin as fences, magics and cells of a percent script do.
LINES = st.builds(
    str.__add__,
    st.sampled_from(["", "# ", "# %% ", "%%", "%", "!", "```", "~~~", "\t", "    ", "#", "'''", '"""', "? "]),
    st.text(alphabet="ab %`~'\"é\t漢=()", max_size=8),
)
# Code as people have it.
BLOCKS = st.sampled_from(
    [
        "x = 1",
        "if x:\n\ty = 'é漢'",
        "# %% no cell",
        "#%% no cell",
        "text = '''\n# %% in a text\n```\n'''",
        "%time x = 2",
        "!ls -l | head",
        "files = !ls",
        "x?",
        "# !pip",
        "",
    ]
)
CELL_MAGICS = st.sampled_from(["", "%%time\n", "%%bash\n", "%%writefile some.txt\n", "%%python --bg\n", "%%html\n"])


@settings(max_examples=100, deadline=None)
@given(
    cells=st.lists(
        st.one_of(
            st.lists(LINES, max_size=5).map(lambda lines: ("markdown", "\n".join(lines))),
            st.builds(
                lambda magic, blocks: ("code", magic + "\n".join(blocks)), CELL_MAGICS, st.lists(BLOCKS, max_size=4)
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_kernel_has_the_same_cells(cells: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    made = [MARKDOWN(text) if kind == "markdown" else CODE(text) for kind, text in cells]
    read = cells_of(adopted(tmp_path_factory.mktemp("notebook"), "first = 1", *made, "last = 1"), len(made) + 2)
    assert [read[0], read[-1]] == [("code", "first = 1"), ("code", "last = 1")]
    for (kind, text), (other_kind, other) in zip(cells, read[1:-1], strict=True):
        assert other_kind == kind
        if kind == "markdown":
            # Fences may have been closed, and signs escaped.
            assert re.sub(r"[\s`~\\]", "", other) == re.sub(r"[\s`~]", "", text)
        elif text.startswith("%%python"):
            assert other.startswith("get_ipython().run_cell_magic('python', '--bg', ")
        else:
            assert other.strip() == re.sub("^# ?%%", "#: %%", text, flags=re.MULTILINE).strip()


def test_a_cell_that_would_be_another_is_refused_by_its_first_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the cell that begins with 'what is' would be another in the kernel"):
        adopted(tmp_path, 'what is\n"""', "x = 1")


@pytest.mark.parametrize(
    ("path", "key", "ref", "instead"),
    [
        ("d/me/My-Data.v2/x", "dataset_sources", "me/My-Data.v2", "f\"{find_input('My-Data.v2')}/x\""),
        (
            "m/qwen-lm/qwen2.5/transformers/7b-instruct/1/config.json",
            "model_sources",
            "qwen-lm/qwen2.5/transformers/7b-instruct/1",
            "f\"{find_input('qwen2.5')}/transformers/7b-instruct/1/config.json\"",
        ),
        (
            "models/google/gemma/pytorch/2b/3",
            "model_sources",
            "google/gemma/pytorch/2b/3",
            "f\"{find_input('gemma')}/pytorch/2b/3\"",
        ),
    ],
)
def test_datasets_and_models_with_owners_become_sources(
    path: str, key: str, ref: str, instead: str, tmp_path: Path
) -> None:
    result = adopted(tmp_path, f"x = open('/kaggle/input/{path}')")
    assert result.settings == {key: [ref]}
    assert f"open({instead})" in result.code


@pytest.mark.parametrize(
    ("call", "key", "ref", "instead"),
    [
        ("model_download('o/m/f/v/1')", "model_sources", "o/m/f/v/1", "f\"{find_input('m')}/f/v/1\""),
        ("dataset_download('o/some-data')", "dataset_sources", "o/some-data", "f\"{find_input('some-data')}\""),
    ],
)
def test_downloads_of_kagglehub_become_sources(call: str, key: str, ref: str, instead: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, f"import kagglehub\npath = kagglehub.{call}")
    assert result.settings == {key: [ref]}
    assert f"path = {instead}" in result.code
    assert result.offline == ()


@pytest.mark.parametrize(
    "cells",
    [
        ["def first(path):\n    return path if os.path.exists(path) else None", "first('/kaggle/input/pears/x')"],
        ["x = '/kaggle/input/pears/x' if is_kaggle else 'here'"],
        ["os.path.exists('/kaggle/input/pears')"],
    ],
)
def test_a_path_that_need_not_exist_stays(cells: list[str], tmp_path: Path) -> None:
    assert "find_input(" not in adopted(tmp_path, "import os", *cells).code


def test_a_power_is_no_pattern(tmp_path: Path) -> None:
    result = adopted(tmp_path, 'ROOT = "/kaggle/input/"; a = 3**2; open(ROOT + "x/y")')
    assert any(line.startswith('"/kaggle/input/": take the folder from find_input') for line in result.left)


def test_files_that_cells_write_are_examined_like_cells(tmp_path: Path) -> None:
    step = "open('/kaggle/input/d/me/weights/a.pt')\nimport requests\nrequests.get('https://example.org')"
    result = adopted(
        tmp_path,
        f"%%writefile step.py\n{step}",
        "%%writefile step.py\nimport einops",
        "%%writefile /kaggle/working/tool.py\nimport timm",
        "%%writefile lib/inner/part.py\nimport shapely",
        "!python step.py\nimport step, tool, lib.inner.part",
    )
    assert result.requirements == ("einops", "requests", "shapely", "timm")
    assert result.settings == {"dataset_sources": ["me/weights"]}
    assert result.offline == ("requests.get('https://example.org')",)
    assert "%%writefile step.py\n" + FIND + "open(f\"{find_input('weights')}/a.pt\")\nimport requests" in [
        source.rpartition("\n")[0] for _, source in cells_of(result, 5)
    ]


FIND = "from competition_kit.inputs import find_input\n"


@pytest.mark.parametrize(
    ("begin", "imported"),
    [
        ('"""Steps."""\n', '"""Steps."""\n{}'),
        ("from __future__ import annotations\nimport os\n", "from __future__ import annotations\n{}import os\n"),
        ("# A comment\n@cache\ndef f(): pass\n", "# A comment\n{}@cache\ndef f(): pass\n"),
    ],
)
def test_a_file_that_a_cell_writes_imports_what_finds_its_inputs(begin: str, imported: str, tmp_path: Path) -> None:
    code = code_of(adopted(tmp_path, f"%%writefile -a lib/step.py\n{begin}P = '/kaggle/input/apples/x'"))
    path = "P = f\"{find_input('apples')}/x\""
    assert code == f"%%writefile -a lib/step.py\n{imported.format(FIND)}{path}"


@pytest.mark.parametrize(
    "line", ["sys.path.append('/kaggle/input/shared-code')", "%cd /kaggle/working/x", "!cp -r a b"]
)
def test_a_module_may_be_in_a_folder_that_the_code_adds(line: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, f"import sys\n{line}", "import shared_layers")
    assert (
        "shared_layers: add the distribution to the package's pyproject.toml, unless a folder that the code adds has it"
        in result.left
    )


def test_settings_of_the_machine_are_kept_and_odd_inputs_dropped(tmp_path: Path) -> None:
    metadata = {
        "enable_gpu": "false",
        "enable_tpu": "True",
        "machine_shape": "TpuV5E8",
        "competition_sources": ["apples", "pears"],
        "dataset_sources": ["", "me/data"],
        "kernel_sources": ["packagemanager/pm-123-at-1", ""],
    }
    result = adopted(tmp_path, "x = 1", metadata=metadata)
    assert result.settings == {
        "enable_tpu": True,
        "machine_shape": "TpuV5E8",
        "competition_sources": ["apples", "pears"],
        "dataset_sources": ["me/data"],
    }
    left = "\n".join(result.left)
    assert "pears: another competition: to rehearse with it, host it" in left
    assert "packagemanager/pm-123-at-1: of Kaggle's dependency manager, dropped: add its packages" in left
    assert "dataset_sources, kernel_sources: an empty entry is dropped" in result.done


def test_a_notebook_that_only_a_strict_check_refuses_is_read(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "outputs": [], "source": ["# A\n", "b"]},
        {"cell_type": "code", "id": "b", "metadata": {}, "source": "x = 1"},
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "x.ipynb").write_text(json.dumps(document))
    assert cells_of(adopt(tmp_path / "x.ipynb", "apples", ()), 2) == [("markdown", "# A\nb"), ("code", "x = 1")]


@pytest.mark.parametrize(
    ("line", "requirements"),
    [
        ("pip install einops", ("einops",)),
        ("!pip -q install einops", ("einops",)),
        ("!cd . && pip install einops", ("einops",)),
        ('get_ipython().system("pip install einops")', ("einops",)),
        ("!uv pip install --system einops", ("einops",)),
        ("conda install einops", ("einops",)),
        ("!pip install --no-index /kaggle/input/w/einops-0.8.0-py3-none-any.whl", ("einops==0.8.0",)),
        ("!pip install a-1-py3-none-any.whl b-2-py3-none-any.whl", ("a==1", "b==2")),
        ("NAME = 'einops'\n!pip install {NAME}", ("einops",)),
        ("NAMES = 'einops==0.8.0 pandas'\n!pip install $NAMES", ("einops==0.8.0", "pandas")),
        ("!pip install -r requirements.txt", ("einops>=0.7", "pandas")),
    ],
)
def test_every_spelling_of_pip_becomes_a_requirement_once(
    line: str, requirements: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("# of mine\neinops>=0.7  # new\npandas\n")
    result = adopted(tmp_path, f"{line}\nx = 1")
    assert result.requirements == requirements
    (note,) = (note for note in result.done if "required now" in note)
    assert note.startswith(f"{', '.join(requirements)}: required now, was: ")


def test_what_only_a_folder_of_wheels_could_pin_is_said(tmp_path: Path) -> None:
    result = adopted(tmp_path, "!pip install --no-index --find-links ../input/wheels polyfile timm tqdm==4.66.1\nx = 1")
    option = "--find-links ../input/wheels: not possible in a requirement"
    advice = "taken in the newest release, so pin: polyfile; taken from the image if they fit: timm"
    assert any(note.startswith(f"{option}; {advice}") for note in result.left)


def test_a_folder_of_wheels_is_not_said_where_every_version_is_named(tmp_path: Path) -> None:
    result = adopted(
        tmp_path,
        "!pip install --no-index --find-links=/kaggle/input/w polyfile==0.5.4",
        "!pip install /kaggle/input/w/foo-1.0-py3-none-any.whl",
        metadata={"dataset_sources": ["me/w"]},
    )
    assert result.requirements == ("polyfile==0.5.4", "foo==1.0")
    assert result.left == (
        "me/w: for a rehearsal, name a folder with the files below [rehearsal.inputs] in submission.toml",
    )


@pytest.mark.parametrize(
    ("code", "distribution"),
    [
        ("from google import genai", "google-genai"),
        ("import google.generativeai as genai", "google-generativeai"),
        ("from google.cloud import storage", "google-cloud-storage"),
        ("from google.protobuf import message", "protobuf"),
        ("import kaggle_evaluation.x_inference_server", ""),
    ],
)
def test_a_distribution_is_the_one_that_has_the_module(code: str, distribution: str, tmp_path: Path) -> None:
    assert adopted(tmp_path, code).requirements == tuple(filter(None, [distribution]))


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["from kaggle_secrets import UserSecretsClient\nUserSecretsClient().get_secret('x')"], True),
        # Kernels have WANDB_MODE=offline.
        (["import wandb\nwandb.login()"], False),
        (["class CFG:\n    model = 'bert-base'", "AutoModel.from_pretrained(CFG.model)"], True),
        (["class CFG:\n    model = '/kaggle/working/bert'", "AutoModel.from_pretrained(CFG.model)"], False),
        (["requests.get('http://localhost:8000/health')"], False),
        (["!curl http://127.0.0.1:8000"], False),
        (["!curl http://localhost.example.org"], True),
    ],
)
def test_a_use_of_the_network_is_told_from_one_of_this_machine(cells: list[str], found: bool, tmp_path: Path) -> None:
    assert bool(adopted(tmp_path, *cells).offline) == found


def test_four_thousand_assignments_take_no_time(tmp_path: Path) -> None:
    """A quadratic search takes 22 seconds."""
    lines = [f"x{number} = '/kaggle/working/{number}'" for number in range(4000)]
    assert adopted(tmp_path, "\n".join(lines)).left == ()


def code_of(result: Adopted) -> str:
    """Return the code of a kernel's last cell."""
    return cells_of(result, 1)[0][1]


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("if x:\n    !curl --retry 9 \\\n        http://gateway:8001/api", "{}\n    pass"),
        ('print("""Score:\n    %.4f\n""" % s)', "{}"),
        ("text = '''Rules:\n    !important'''", "{}"),
        ("import os\r\nx = 1", "import os\nx = 1"),
        ("    x = 1\n    y = 2", "x = 1\ny = 2"),
        ("for i in y:\n    # %% step one\n    print(i)", "for i in y:\n    #: %% step one\n    print(i)"),
        ("s = '''\nget_ipython().system('ls')\n'''", "{}"),
    ],
)
def test_a_cell_keeps_its_meaning(cell: str, kept: str, tmp_path: Path) -> None:
    assert code_of(adopted(tmp_path, cell)) == kept.format(cell)


def test_a_line_that_would_begin_a_cell_is_changed_and_said(tmp_path: Path) -> None:
    result = adopted(tmp_path, "text = '''\n# %% in a text\n'''")
    assert any(line.startswith("# %% within a cell: #: %% now") for line in result.done)


@pytest.mark.parametrize(
    ("cells", "requirements", "last"),
    [
        (["!pip install -q einops==0.8.0 && pip install -q timm"], ("timm", "einops==0.8.0"), "# a requirement now: "),
        (["!pip install -q einops==0.8.0; pip install -q timm; ls"], ("timm", "einops==0.8.0"), "!ls"),
        (["!yes | pip install einops==0.8.0 | tail -1"], ("einops==0.8.0",), "# a requirement now: "),
        (["import os\nos.system('pip install einops==0.8.0')"], ("einops==0.8.0",), "pass  # a requirement now: "),
        (
            ["import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'einops==0.8.0'])"],
            ("einops==0.8.0",),
            "pass  # a requirement now: ",
        ),
        (
            ["os.system('pip install --no-deps /kaggle/input/w/foo-1.0-py3-none-any.whl')"],
            ("foo==1.0",),
            "pass  # a requirement now: ",
        ),
        (["!pip uninstall -y einops && pip install einops==0.7.0"], ("einops==0.7.0",), "# a requirement now: "),
        (["!pip install einops==0.7.0", "!pip uninstall -y einops"], ("einops==0.7.0",), "# not removed here: "),
        (["import pandas\n!pip uninstall -y wandb"], ("pandas",), "!pip uninstall -y wandb"),
        (["r = os.popen('pip install einops')"], (), "r = os.popen("),
    ],
)
def test_every_pip_command_of_a_line_or_call_counts(
    cells: list[str], requirements: tuple[str, ...], last: str, tmp_path: Path
) -> None:
    result = adopted(tmp_path, *cells)
    assert sorted(result.requirements) == sorted(requirements)
    assert code_of(result).splitlines()[-1].startswith(last)


@pytest.mark.parametrize(
    "cell",
    [
        "def run(c): pass\nrun([sys.executable, '-m', 'pip', 'install', 'timm==0.9.2'])",
        "sh('pip install lightly==1.5.0')",
        "import pip\npip.main(['install', 'rouge'])",
    ],
)
def test_pip_in_a_function_of_ones_own_is_said(cell: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, cell)
    assert len(result.offline) == 1
    assert result.requirements == ()


def test_an_exported_notebook_is_a_notebook_again(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        "# %%\nget_ipython().system('cp -r lib .')\n"
        "# %%\nget_ipython().run_line_magic('pip', 'install einops==0.8.0')\n"
        "# %%\nget_ipython().run_cell_magic('writefile', 'helper.py', 'import timm\\n')\n# %%\nimport helper\n"
    )
    result = adopt(tmp_path / "x.py", "apples", {"einops", "timm"})
    assert not result.is_script
    assert sorted(result.requirements) == ["einops==0.8.0", "timm"]
    assert [source for _, source in cells_of(result, 4)] == [
        "!cp -r lib .",
        "# a requirement now: pip install einops==0.8.0",
        "%%writefile helper.py\nimport timm",
        "import helper",
    ]


def test_a_notebook_of_jupytext_keeps_its_magics(tmp_path: Path) -> None:
    head = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       format_name: percent\n# ---\n\n"
    (tmp_path / "x.py").write_text(f"{head}# %%\n# !pip install einops==0.8.0\n\n# %%\nx = 1\n")
    result = adopt(tmp_path / "x.py", "apples", {"einops"})
    assert (result.is_script, result.requirements) == (False, ("einops==0.8.0",))


PEARS = "'/kaggle/input/pears/x'"


@pytest.mark.parametrize(
    ("cells", "is_found"),
    [
        ([f"class CFG:\n    model = {PEARS}", "if not os.path.exists(CFG.model): CFG.model = 'base'"], False),
        ([f"W = {PEARS}", "if Path(W).exists(): pass"], False),
        (["if Path(OUT).exists(): pass", f"DATA = Path({PEARS})"], True),
        (["def f(path): return os.path.exists(path)", f"path = {PEARS}"], True),
        ([f"places = [{PEARS}, './x']", "p = next(p for p in places if os.path.exists(p))"], False),
        (["for p in places:\n    try: open(p)\n    except OSError: pass", f"places = [{PEARS}, {PEARS}]"], False),
        ([f"for p in [{PEARS}, './x']: print(p)"], False),
        ([f"weights = [{PEARS}, '/kaggle/input/plums/y']"], True),
        ([f"subprocess.Popen(['./s', '--model', {PEARS}])"], True),
        ([f"print('Reading', {PEARS})"], None),
        ([f"raise ValueError('attach ' + {PEARS})"], None),
        (["places = ['/kaggle/input/competitions/pears/x', '/kaggle/input/pears/x']"], None),
        (["import os\nIS_KAGGLE = os.path.exists('/kaggle/input')"], None),
        (["os.listdir('/kaggle/input')"], None),
    ],
)
def test_paths_that_the_code_needs_are_found_and_others_stay(
    cells: list[str], is_found: bool | None, tmp_path: Path
) -> None:
    result = adopted(tmp_path, *cells)
    about = [line for line in result.left if "find_input" in line]
    assert ("find_input('pears')" in result.code) == (is_found is True)
    assert bool(about) == (is_found is False)


@pytest.mark.parametrize(
    ("cell", "noted"),
    [
        ("for d in os.walk('/kaggle/input'): pass\na = f'/kaggle/input/{COMP}/train.csv'", "f'/kaggle/input/{COMP}"),
        ("for d in os.walk('/kaggle/input'): pass\na = os.path.join('/kaggle/input', COMP)", "'/kaggle/input': take"),
        ("os.system('cp -r /kaggle/input/pears /kaggle/working')", "find_input('pears')"),
        ("import kagglehub\nkagglehub.model_download('o/m/transformers/x')", "'o/m/transformers/x'"),
    ],
)
def test_what_has_to_be_done_by_hand_is_said(cell: str, noted: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, cell)
    assert any(noted in line for line in (*result.left, *result.offline))


@pytest.mark.parametrize(
    ("cell", "key", "ref"),
    [
        ("!cp -r /kaggle/input/datasets/me/code /kaggle/working/", "dataset_sources", "me/code"),
        ("%%bash\ncp -r /kaggle/input/d/me/code .", "dataset_sources", "me/code"),
        (
            "sys.path.insert(0, '/kaggle/usr/lib/notebooks/someone/utilities')\nimport mamba_ssm",
            "kernel_sources",
            "someone/utilities",
        ),
        ("open('/kaggle/input/competitions/titanic/x')", "competition_sources", "titanic"),
    ],
)
def test_inputs_are_sources_wherever_they_are_named(cell: str, key: str, ref: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, cell)
    assert ref in result.settings[key]
    assert not [line for line in result.left if line.startswith("mamba_ssm: ") and "unless" not in line]


def test_an_input_without_an_owner_is_left_to_the_user(tmp_path: Path) -> None:
    result = adopted(tmp_path, "sys.path.append('/kaggle/usr/lib/utilities')\nopen('/kaggle/input/pears/x')")
    assert result.settings == {}
    assert "utilities, pears: name in kernel-metadata.json as an input, with the owner" in result.left


def test_a_framework_is_mounted_in_lower_case(tmp_path: Path) -> None:
    result = adopted(tmp_path, "p = kagglehub.model_download('google/gemma-2/Transformers/gemma-2-9b-it/2')")
    assert "p = f\"{find_input('gemma-2')}/transformers/gemma-2-9b-it/2\"" in result.code
    assert result.settings == {"model_sources": ["google/gemma-2/Transformers/gemma-2-9b-it/2"]}


@pytest.mark.parametrize(
    ("cells", "requirements"),
    [
        (["!pip install clean-text rerun-sdk", "import cleantext, rerun"], ("clean-text", "rerun-sdk")),
        (["!pip install autogluon.tabular", "from autogluon.tabular import T"], ("autogluon.tabular",)),
        (["!pip install autogluon", "import autogluon.tabular"], ("autogluon",)),
        (["!pip install faiss-gpu-cu12", "import faiss"], ("faiss-gpu-cu12",)),
        (["!pip install nvidia-dali-cuda120", "import nvidia.dali"], ("nvidia-dali-cuda120",)),
        (["try:\n    import timm\nexcept ImportError:\n    print('missing')"], ("timm",)),
        (["try:\n    import timm\nexcept ImportError:\n    pass"], ()),
        (["%%writefile /tmp/src/helper.py\nimport timm", "sys.path.append('/tmp/src')\nimport helper"], ("timm",)),
    ],
)
def test_modules_are_of_what_was_installed(cells: list[str], requirements: tuple[str, ...], tmp_path: Path) -> None:
    result = adopted(tmp_path, *cells)
    assert result.requirements == requirements
    assert not [line for line in result.left if "add the distribution" in line]


@pytest.mark.parametrize(
    ("cells", "offline"),
    [
        (["!curl http://gateway:8001/api"], ()),
        (["BASE = 'http://127.0.0.1:8080'", "requests.get(BASE + '/x')\nrequests.get(f'{BASE}/x')"], ()),
        (["def w(url='http://localhost:8080/h'): requests.get(url)"], ()),
        (["CFG = {'model': 'google/gemma'}", "A.from_pretrained(CFG['model'])"], ("A.from_pretrained(CFG['model'])",)),
        (["A.from_pretrained(pretrained_model_name_or_path='bert')"], ("A.from_pretrained('bert')",)),
        (["pipeline('text', model='bert-base')"], ("pipeline('bert-base')",)),
        (["def f(name='bert'): A.from_pretrained(name)"], ("A.from_pretrained(name)",)),
    ],
)
def test_what_fetches_is_told_from_what_is_near(cells: list[str], offline: tuple[str, ...], tmp_path: Path) -> None:
    assert adopted(tmp_path, *cells).offline == offline


def test_no_warning_of_the_code_reaches_the_terminal(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    adopted(tmp_path, 're.sub("\\w+", "", x)')
    assert not [warning for warning in recwarn if issubclass(warning.category, SyntaxWarning)]


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        ("open('submission.json', 'w')", ("submission.json: the file that it writes: compare it with output in",)),
        ("x.to_csv('/kaggle/working/submission_v2.csv')", ("submission_v2.csv: the file",)),
        ("x.to_csv('submission.csv'); y.to_csv('submission_v2.csv')", ()),
    ],
)
def test_another_output_than_the_usual_one_is_said(cell: str, left: tuple[str, ...], tmp_path: Path) -> None:
    result = adopted(tmp_path, cell)
    assert len(result.left) == len(left)
    assert all(found.startswith(text) for found, text in zip(result.left, left, strict=True))


def test_metadata_of_another_form_of_the_notebook_count(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("print(1)\n")
    metadata = {"code_file": "x.ipynb", "dataset_sources": ["me/some"], "competition_sources": ["c/apples"]}
    (tmp_path / "kernel-metadata.json").write_text(json.dumps(metadata))
    assert adopt(tmp_path / "x.py", "apples", ()).settings == {"dataset_sources": ["me/some"]}


def test_a_tpu_is_kept_and_said(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[CODE("x = 1")], metadata={"kaggle": {"accelerator": "tpu1vmV38"}})
    nbformat.write(notebook, tmp_path / "x.ipynb")
    result = adopt(tmp_path / "x.ipynb", "apples", ())
    assert result.settings == {"enable_tpu": True}
    assert result.left == ("enable_tpu: no image here is for TPUs: set it to false, or capture that image",)


@pytest.mark.parametrize(
    ("cell", "requirements", "kept"),
    [
        (
            "def install(package):\n    subprocess.check_call([sys.executable, '-m', 'pip', 'install', package])",
            (),
            "    pass  # not installed here: subprocess",
        ),
        ("!conda install -y --channel conda-forge --name base rdkit", ("rdkit",), "# a requirement now: "),
        ("!uv pip install --prerelease allow --torch-backend auto vllm", ("vllm",), "# a requirement now: "),
        (
            "!pip install timm  # the old one broke; rm -rf /kaggle/working/cache && echo x",
            ("timm",),
            "# a requirement",
        ),
        ("!pip install timm # see https://h/?a=1&b=2", ("timm",), "# a requirement now: "),
        ("!pip install timm |& tail -1", ("timm",), "# a requirement now: "),
        ("!pip install timm || rm -rf /kaggle/working/a", ("timm",), "# a requirement now: "),
        ("!test -d x && (cd x; pip install .)", (), "!test -d x && (cd x; pip install .)"),
        ("!pip install ray 'ray[tune]'", ("ray[tune]",), "# a requirement now: "),
        ("!pip install 'ray[tune]' ray==2.9", ("ray[tune]==2.9",), "# a requirement now: "),
    ],
)
def test_pips_lines_are_read_as_a_shell_reads_them(
    cell: str, requirements: tuple[str, ...], kept: str, tmp_path: Path
) -> None:
    result = adopted(tmp_path, f"import subprocess, sys\n{cell}")
    assert result.requirements == requirements
    assert code_of(result).splitlines()[-1].startswith(kept)


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("if IN_COLAB: get_ipython().system('rm -rf data')", "{}"),
        ("a = 1; get_ipython().system('ls')", "{}"),
        ("get_ipython().system('a'); get_ipython().system('b')", "{}"),
        (
            "if x:\n    get_ipython().system(\n        'ls')\nx = 1\nget_ipython().system('pwd')\ny = 2\nz = 3",
            "if x:\n    !ls\n    pass\nx = 1\n!pwd\ny = 2\nz = 3",
        ),
    ],
)
def test_calls_of_an_exported_notebook_take_nothing_with_them(code: str, kept: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(f"# %%\n{code}\n")
    assert code_of(adopt(tmp_path / "x.py", "apples", ())) == kept.format(code)


def test_inputs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = ["/kaggle/input/datasets/alice/foo/a", "/kaggle/input/datasets/bob/foo/a", "/kaggle/input/d/me/apples/a"]
    result = adopted(tmp_path, *(f"open({path!r})" for path in paths))
    assert result.settings["dataset_sources"] == ["alice/foo", "bob/foo", "me/apples"]
    assert "foo, apples: several inputs have this name, and find_input finds one: write its path" in result.left


@pytest.mark.parametrize(
    ("cell", "is_noted"),
    [
        ("p.add_argument('--data', default='/kaggle/input/d/me/foo')", True),
        ("p.add_argument('--data', help='such as /kaggle/input/d/me/foo')", False),
        ("f.write('data: /kaggle/input/d/me/foo/images')", True),
        ("a = '/kaggle/input/foo/x'\nb = '/kaggle/input/datasets/me/foo/x'", True),
    ],
)
def test_paths_that_are_handed_on_are_inputs(cell: str, is_noted: bool, tmp_path: Path) -> None:
    assert bool(adopted(tmp_path, cell).settings) == is_noted


def test_every_line_of_a_requirements_file_is_taken_or_left(tmp_path: Path) -> None:
    lines = [
        "timm==1.0",
        "-r base.txt",
        "einops==0.8 --hash=sha256:0",
        "shapely==2.0 \\",
        "    --hash=sha256:1",
        "# no",
    ]
    (tmp_path / "requirements.txt").write_text("\n".join([*lines, "--extra-index-url https://me:s3cret@example.org"]))
    result = adopted(tmp_path, "!pip install -r requirements.txt")
    assert result.requirements == ("timm==1.0", "einops==0.8", "shapely==2.0")
    (left,) = result.left
    assert left.startswith("-r base.txt, --extra-index-url https://…@example.org: not a requirement")


@pytest.mark.parametrize(
    "line",
    [
        "!pip install timm --extra-index-url https://me:s3cret@example.org/simple",
        "!pip install -e git+https://s3cret@example.org/x",
        "!pip install 'einops @ git+https://x:s3cret@example.org/e'",
        "!pip install timm --index-url https://example.org/simple?token=s3cret",
    ],
)
def test_credentials_of_an_address_are_not_repeated(line: str, tmp_path: Path) -> None:
    assert "s3cret" not in repr(adopted(tmp_path, line))


@pytest.mark.parametrize(
    "metadata",
    [{"competition_sources": [None]}, {"dataset_sources": [{"a": 1}]}, {"dataset_sources": "me/foo"}],
)
def test_sources_that_are_none_are_left_out(metadata: dict[str, Any], tmp_path: Path) -> None:
    assert adopted(tmp_path, "x = 1", metadata=metadata).settings == {}


def test_odd_texts_and_metadata_are_read(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "x = '/kaggle/input/foo/\\ud800'", "metadata": {}, "outputs": []}
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kaggle": None}, "cells": [cell]}
    (tmp_path / "x.ipynb").write_text(json.dumps(document))
    result = adopt(tmp_path / "x.ipynb", "apples", ())
    result.code.encode()
    assert any("find_input('foo')" in line for line in result.left)
