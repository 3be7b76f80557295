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
    assert any(line.startswith('"/kaggle/input/": begin it with find_input') for line in result.left)


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
    left = "\n".join(result.left)
    assert result.offline == ("requests.get(…)",)
    assert "step.py: '/kaggle/input/d/me/weights/a.pt': begin it with find_input('weights')" in left


@pytest.mark.parametrize(
    "line", ["sys.path.append('/kaggle/input/shared-code')", "%cd /kaggle/working/x", "!cp -r a b"]
)
def test_a_module_may_be_in_a_folder_that_the_code_adds(line: str, tmp_path: Path) -> None:
    result = adopted(tmp_path, f"import sys\n{line}", "import shared_layers")
    assert (
        "shared_layers: add its distribution to the package's pyproject.toml, unless a folder that the code adds has it"
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
    assert "dataset_sources: an empty entry is dropped" in result.done


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
    result = adopted(tmp_path, "!pip install --no-index --find-links ../input/wheels einops tqdm==4.66.1\nx = 1")
    assert any(
        note.startswith("--find-links: not possible in a requirement; the newest einops was taken: pin it: !pip")
        for note in result.left
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
        (["import wandb\nwandb.login()"], True),
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
