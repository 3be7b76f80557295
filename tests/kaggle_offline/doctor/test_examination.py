"""`doctor` finds each of many planted faults, one at a time, with its cure; and nothing where there is none."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.interpreters import OWN_VERSION
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.doctor.examination import examine
from kaggle_offline.errors import CredentialsError, FindingsError, UnknownCompetitionError
from kaggle_offline.repository.kernel_folder import list_competitions, read_kernel_folder

from tests.canary import USER
from tests.kaggle_offline.conftest import IMAGE, METADATA, REPOSITORY, copy_of, git, write_repository
from tests.stand_in import TOKENS, environment_of

KERNEL = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %% tags=["install"]
# Here.

# %%
import iniconfig, small

open("/kaggle/working/submission.csv", "w").write("image,labels\\n")
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small repository, locked and committed, with nothing wrong in it."""
    repository = write_repository(tmp_path_factory.mktemp("sound") / "repository")
    (repository / "kernels" / "small" / "predict.py").write_text(KERNEL)
    metadata = {**METADATA, "is_private": True}
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text(json.dumps(metadata))
    manifest = repository / "requirements" / "images" / "small.txt"
    manifest.write_text(IMAGE.replace("# platform", "# accelerator: cpu\n# date: 2099-05-14\n# platform"))
    (repository / ".gitignore").write_text("/build/\n*.secret.ckpt\n")
    lock_kernel(read_kernel_folder(repository, "small"))
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Begin")
    return repository


@pytest.fixture
def sound(template: Path, tmp_path: Path) -> Path:
    """A copy of it, to plant a fault in."""
    return copy_of(template, tmp_path / "repository")


def metadata(**changes: Any) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        path = repository / "kernels" / "small" / "kernel-metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return plant


def replaced(file: str, before: str, after: str) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        text = (repository / file).read_text()
        assert before in text
        (repository / file).write_text(text.replace(before, after, 1))

    return plant


def cell_before(text: str) -> Callable[[Path], None]:
    return replaced("kernels/small/predict.py", "# %%\nimport iniconfig", f"{text}\n\n# %%\nimport iniconfig")


def code(line: str) -> Callable[[Path], None]:
    return replaced("kernels/small/predict.py", "open(", f"{line}\nopen(")


def package(line: str) -> Callable[[Path], None]:
    return replaced("packages/small/src/small/__init__.py", '"""Small."""\n', f'"""Small."""\n{line}\n')


def settings(before: str, after: str) -> Callable[[Path], None]:
    return replaced("kernels/small/submission.toml", before, after)


def declared(metric: str, *sketches: str) -> Callable[[Path], None]:
    command = 'competition = "python -m small.competition"'
    declare = settings(command, f'train = "train.csv"\ntarget = ["y"]\nmetric = "{metric}"')

    def plant(repository: Path) -> None:
        declare(repository)
        for name in sketches:
            (repository / "kernels" / "small" / name).write_text("{}")

    return plant


def written(file: str, content: str) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        (repository / file).parent.mkdir(exist_ok=True)
        (repository / file).write_text(content)

    return plant


def reading(name: str, *plants: Callable[[Path], object]) -> Callable[[Path], None]:
    """A kernel that reads a file of the competition, and what the rehearsal has instead."""

    def plant(repository: Path) -> None:
        code(f'(find_input("small") / "{name}").read_bytes()')(repository)
        for each in plants:
            each(repository)

    return plant


def with_rehearsed(repository: Path) -> None:
    folder = repository / "build" / "small" / "competition" / "public" / "test_images"
    folder.mkdir(parents=True)
    (folder / "a").touch()


def with_data(repository: Path) -> None:
    declared("accuracy")(repository)
    folder = repository / "data" / "small"
    folder.mkdir(parents=True)
    for name in ("train.csv", "sample_submission.csv", "notes.txt"):
        (folder / name).touch()


def with_sketch(repository: Path) -> None:
    declared("accuracy")(repository)
    tables: dict[str, object] = {"train.csv": {}, "sample_submission.csv": {}}
    sketch = {"version": 1, "tables": tables, "files": {"images/{id}.png": {}}}
    (repository / "kernels" / "small" / "data.json").write_text(json.dumps(sketch))


def newer_image(repository: Path) -> None:
    folder = repository / "requirements" / "images"
    (folder / "newer.txt").write_text((folder / "small.txt").read_text().replace("2099-05-14", "2099-11-01"))


DOCKER_IMAGE = "gcr.io/kaggle-images/python@sha256:" + "0" * 64


def latest_image(repository: Path) -> None:
    replaced("requirements/images/small.txt", "# platform", f"# docker-image: {DOCKER_IMAGE}\n# platform")(repository)
    lock_kernel(read_kernel_folder(repository, "small"))
    metadata(docker_image_pinning_type="latest")(repository)


def other_run(repository: Path) -> None:
    run = {"status": "complete", "seconds": 20, "peak_memory_bytes": 1}
    run |= {"image": "small", "docker_image": DOCKER_IMAGE}
    (repository / "build" / "small").mkdir(parents=True, exist_ok=True)
    (repository / "build" / "small" / "result.json").write_text(json.dumps({"target": "kaggle", "run": run}))


def large_checkpoint(repository: Path) -> None:
    path = repository / "kernels" / "small" / "checkpoints" / "large.json"
    path.touch()
    os.truncate(path, 101 * 2**20)


def ignored_checkpoint(repository: Path) -> None:
    folder = repository / "kernels" / "small" / "checkpoints"
    (folder / "x.secret.ckpt").write_bytes((folder / "model.ckpt").read_bytes())


def slow_run(repository: Path) -> None:
    settings("[rehearsal]", "[limits]\nrows = 5000\nhours = 9\n[rehearsal]")(repository)
    build = repository / "build" / "small"
    (build / "output").mkdir(parents=True, exist_ok=True)
    (build / "output" / "submission.csv").write_text("image,labels\na,scab\nb,scab\n")
    (build / "result.json").write_text(
        json.dumps({"run": {"status": "complete", "seconds": 20, "peak_memory_bytes": 1}})
    )


def answers_a_gateway(*plants: Callable[[Path], object]) -> Callable[[Path], None]:
    """A kernel as it should be for a served competition, with the host's gateway in its data, and a fault."""

    def plant(repository: Path) -> None:
        path = repository / "kernels" / "small" / "predict.py"
        path.write_text(
            f"{path.read_text()}\n# %%\nimport os\nimport kaggle_evaluation.small_inference_server as served\n"
            "def predict(batch): return batch\nserver = served.SmallInferenceServer(predict)\n"
            "if os.getenv('KAGGLE_IS_COMPETITION_RERUN'):\n    server.serve()\n"
            "else:\n    server.run_local_gateway((os.path.join(os.getcwd(), 'test.parquet'),))\n"
        )
        settings('"submission.csv"', '"submission.parquet"')(repository)
        theirs = repository / "data" / "small" / "kaggle_evaluation"
        theirs.mkdir(parents=True)
        (theirs / "small_gateway.py").write_text(
            "class Gateway:\n    def unpack_data_paths(self):\n"
            "        self.test_path = '/kaggle/input/small/test.parquet'\n"
            "    def write(self, table):\n        table.to_parquet('submission.parquet')\n"
        )
        for each in plants:
            each(repository)

    return plant


def rehearsed(**measured: object) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        calls = {"number": 9, "rows": 90, "start": 1.0, "first": 1.0, "median": 1.0, "slowest": 1.0, "total": 9.0}
        submission = {"ref": "1", "status": "complete", "score": 0.5, "calls": {**calls, **measured}}
        (repository / "build" / "small").mkdir(parents=True, exist_ok=True)
        (repository / "build" / "small" / "result.json").write_text(json.dumps({"submission": submission}))

    return plant


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no metadata": (lambda r: (r / "kernels/small/kernel-metadata.json").unlink(), "kernel-metadata.json: not found"),
    "internet switched on": (metadata(enable_internet=True), "enable_internet: true"),
    "a title that leads elsewhere": (metadata(title="Another kernel"), "title: resolves to 'another-kernel'"),
    "a title that is too short": (metadata(title="Tiny", id="OWNER/tiny"), "id or title"),
    "a slug with an underscore": (metadata(id="OWNER/small_kernel"), "title: resolves to 'small-kernel'"),
    "an id without an owner": (metadata(id="small-kernel"), "id or title"),
    "another competition": (metadata(competition_sources=["other"]), "competition_sources"),
    "a language that is not run": (metadata(language="r"), "language"),
    "no such code": (metadata(code_file="nowhere.py"), "code_file: nowhere.py: not found"),
    "a public kernel": (metadata(is_private=False), "is_private: false"),
    "a dataset without an owner": (metadata(dataset_sources=["data"]), "dataset_sources: 'data'"),
    "a model that is none": (metadata(model_sources=["google/gemma"]), "model_sources: 'google/gemma'"),
    "a GPU on an image without": (metadata(enable_gpu=True), "enable_gpu is true"),
    "settings that are no TOML": (written("kernels/small/submission.toml", "package ="), "submission.toml"),
    "an unknown setting": (settings("package", "surprise = 1\npackage"), "surprise: unknown key"),
    "limits without hours": (settings("[rehearsal]", "[limits]\nrows = 3\n[rehearsal]"), "limits.hours: missing"),
    "limits of no rows": (
        settings("[rehearsal]", "[limits]\nrows = 0\nhours = 9\n[rehearsal]"),
        "limits.rows: 0 must be 1 or more",
    ),
    "no such package": (settings('"small"', '"other"'), "package: packages/other: not found"),
    "no such image": (settings('image = "small"', 'image = "other"'), "other.txt: no such image"),
    "an image of its own": (
        metadata(docker_image="gcr.io/kaggle-images/python:latest"),
        "docker_image: the kernel runs in gcr.io/kaggle-images/python:latest, but its lock is for small",
    ),
    "the newest image": (latest_image, "latest runs the kernel in Kaggle's newest image, but its lock is for small"),
    "a pinned TPU": (
        metadata(docker_image=DOCKER_IMAGE, machine_shape="TpuV6E8"),
        "docker_image: a kernel with a pinned image gets no TPU",
    ),
    "a run in another image": (
        other_run,
        f"the last run on Kaggle was in {DOCKER_IMAGE}",
    ),
    "a newer image": (newer_image, "small is of 2099-05-14, and newer of 2099-11-01 is there"),
    "an output that nothing writes": (settings("submission.csv", "result.csv"), "no code names result.csv"),
    "a rehearsal that is not there": (
        settings("small.competition", "small.nowhere"),
        "small.nowhere is in no package here",
    ),
    "a server that is never started": (
        answers_a_gateway(replaced("kernels/small/predict.py", "server.serve()", "pass")),
        "predict.py: imports kaggle_evaluation, and does not call serve() in the rerun",
    ),
    "an output that is not the gateway's": (
        answers_a_gateway(settings('"submission.parquet"', '"submission.csv"')),
        "output is submission.csv; the gateway writes submission.parquet",
    ),
    "a path that the gateway has not": (
        answers_a_gateway(replaced("kernels/small/predict.py", "'test.parquet'", "'train.parquet'")),
        "run_local_gateway is given train.parquet, and in the rerun the gateway reads test.parquet",
    ),
    "a server that starts too late": (
        answers_a_gateway(rehearsed(start=960.0)),
        "the server would start after 16 minutes, as it took 960 s in the last rehearsal with 100.00% of the rows",
    ),
    "answers that depend on the order of rows": (
        answers_a_gateway(rehearsed(depends_on_order=True)),
        "predict answered other values to the same rows in another order",
    ),
    "answers that depend on the size of batches": (
        answers_a_gateway(rehearsed(depends_on_size=True)),
        "predict answered other values to the same rows in a smaller batch",
    ),
    "a rehearsal without data": (declared("accuracy"), "data/small: the competition's data are not there, nor is"),
    "a host's metric that is not there": (declared("own.py", "data.json"), "kernels/small/own.py: not there"),
    "a weight of no checkpoint": (settings("[rehearsal]", '[weights]\n"no.ckpt" = 1\n[rehearsal]'), "no.ckpt"),
    "no place for the parameters": (
        replaced("kernels/small/predict.py", 'tags=["parameters"]', ""),
        "no cell is tagged parameters",
    ),
    "nothing that installs": (
        replaced("kernels/small/predict.py", 'tags=["install"]', ""),
        "no cell installs the packages",
    ),
    "code that is no Python": (
        code("def broken(:"),
        f"predict.py: not valid Python {OWN_VERSION}: line 3: invalid syntax",
    ),
    "a module that is no Python": (package("def broken(:"), "__init__.py: not valid Python"),
    "a module in another encoding": (
        lambda r: (r / "packages/small/src/small/__init__.py").write_bytes(b"X = '\xe9'\n"),
        "__init__.py: not valid UTF-8",
    ),
    "a key of the metadata that is none": (metadata(dataset_source=["me/x"]), "dataset_source: unknown key"),
    "a dataset whose owner is a placeholder": (metadata(kernel_sources=["OWNER/x"]), "kernel_sources: 'OWNER/x'"),
    "a template's placeholder": (metadata(dataset_sources=["INSERT_OWNER/INSERT_SLUG"]), "dataset_sources: 'INSERT"),
    "a title in place of a slug": (metadata(dataset_sources=["me/My Data"]), "dataset_sources: 'me/My Data'"),
    "a source twice": (metadata(dataset_sources=["me/x", "me/x"]), "dataset_sources: names one twice"),
    "a TPU": (metadata(enable_tpu=True), "enable_tpu is true"),
    "two kernels of one id": (
        lambda r: shutil.copytree(r / "kernels" / "small", r / "kernels" / "other"),
        "kernels/other/kernel-metadata.json has the same",
    ),
    "a setting that push writes over": (
        replaced("kernels/small/predict.py", 'PACKAGES_DIGEST = ""', 'PACKAGES_DIGEST = ""\nTHRESHOLD = 0.5'),
        "THRESHOLD is set in the cell tagged parameters",
    ),
    "code that push writes over": (
        replaced("kernels/small/predict.py", "# Here.", "print('installing')"),
        "code in the cell tagged install",
    ),
    "an import before it is installed": (
        replaced("kernels/small/predict.py", '# %% tags=["install"]', '# %%\nimport small\n# %% tags=["install"]'),
        "imports small before it is installed",
    ),
    "weights from a hub by name": (
        code("def f(m): return m.AutoModel.from_pretrained('bert')"),
        "m.AutoModel.from_pretrained('bert') downloads",
    ),
    "weights of torchvision": (code("def f(m): return m.resnet18(weights='DEFAULT')"), "weights='DEFAULT') downloads"),
    "data that are downloaded": (code("def f(m): return m.MNIST('x', download=True)"), "download=True) downloads"),
    "a table from the web": (code("def f(pd): return pd.read_csv('https://example.org/x.csv')"), "x.csv') downloads"),
    "a command in Python": (code("import os\nos.system('cd x && wget y')"), "os.system('cd x && wget y') downloads"),
    "a command as a list": (
        package("import subprocess\nsubprocess.run(['git', 'clone', 'x'])"),
        "subprocess.run(['git', 'clone', 'x']) downloads",
    ),
    "a command after another": (code("!mkdir -p w; curl x"), "!mkdir -p w; curl x downloads"),
    "a cell for a shell": (
        replaced("kernels/small/predict.py", "# Here.\n", '# Here.\n\n# %% language="bash"\n# wget x\n'),
        "wget x downloads",
    ),
    "pip in the package": (
        package("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'rich'])"),
        "'pip', 'install', 'rich'])",
    ),
    "a path in a file that a cell writes": (
        cell_before("# %%\n# %%writefile step.py\nopen('../input/small/x')"),
        "step.py: '../input/small/x' exists under",
    ),
    "a path that may be missing": (
        code("import os\nhas_extra = os.path.exists('../input/extra')"),
        "'../input/extra' exists under",
    ),
    "pip in a call": (
        code("import os\nos.system('pip install rich')"),
        "os.system('pip install rich')",
    ),
    "pip in a function of one's own": (
        code("def sh(line): print(line)\nsh('pip install rich')"),
        "sh('pip install rich')",
    ),
    "another output": (
        replaced("kernels/small/predict.py", "/kaggle/working/submission.csv", "/kaggle/working/submission.parquet"),
        "output: no code names submission.csv",
    ),
    "a path of one's own machine": (code("p = '/home/me/weights.npy'"), "'/home/me/weights.npy': a path that Kaggle"),
    "a path of Colab's": (code("p = '/content/drive/x'"), "'/content/drive/x': a path that Kaggle"),
    "inputs in pieces": (
        code("import os\np = os.path.join('/kaggle/input', 'small')"),
        "'/kaggle/input' exists under",
    ),
    "a command with an input": (code("!cp ../input/small/x ."), "!cp ../input/small/x .: the path exists"),
    "a module of one's own that is not there": (
        code("from small.nowhere import x"),
        "imports small.nowhere: not found in",
    ),
    "a module that Git ignores": (
        lambda r: [
            written("packages/small/src/small/more.py", "")(r),
            written(".gitignore", "/build/\n*.secret.ckpt\nmore.py\n")(r),
            code("from small import more")(r),
        ],
        "more.py: is ignored by Git",
    ),
    "a lock that Git ignores": (
        lambda r: [
            written(".gitignore", "/build/\n*.secret.ckpt\n/requirements/small.txt\n")(r),
            git(r, "rm", "--quiet", "--cached", "requirements/small.txt"),
        ],
        "requirements/small.txt: is ignored by Git",
    ),
    "a module that was removed before the image's Python": (code("import imp"), "imports imp, removed in Python 3.12"),
    "distutils without setuptools": (
        package("from distutils import util"),
        "imports distutils, removed in Python 3",
    ),
    "an input that none is": (
        code("def f(find_input): return find_input(slug='smal')"),
        "find_input(slug='smal'): not among the inputs: small, small-models, small-packages",
    ),
    "an import by name": (code("import importlib\nimportlib.import_module('rich')"), "imports rich, which"),
    "an import where another is missing": (
        code("try:\n    import iniconfig\nexcept ImportError:\n    import rich"),
        "imports rich, which",
    ),
    "an output elsewhere": (
        replaced("kernels/small/predict.py", "/kaggle/working/submission.csv", "/kaggle/submission.csv"),
        "output: /kaggle/submission.csv is outside",
    ),
    "an output of a name that is like it": (
        replaced("kernels/small/predict.py", "submission.csv", "my_submission.csv"),
        "no code names submission.csv",
    ),
    "more hours than Kaggle gives": (
        settings("[rehearsal]", "[limits]\nrows = 1\nhours = 24\n[rehearsal]"),
        "limits.hours: 24",
    ),
    "a checkpoint in a folder": (
        written("kernels/small/checkpoints/fold0/model.ckpt", "none"),
        "checkpoints/fold0/model.ckpt: not a checkpoint",
    ),
    "a token in the code": (code("TOKEN = 'KGAT_0123456789abcdef'"), "predict.py: credentials written in the code"),
    "credentials at the top": (written("kaggle.json", "{}"), "kaggle.json: credentials left"),
    "no settings": (lambda r: (r / "kernels/small/submission.toml").unlink(), "submission.toml: not found"),
    "pip in a way that is not read": (code("!yes | pip install timm"), "!yes | pip install timm"),
    "another image that is malformed": (
        written("requirements/images/other.txt", "numpy"),
        "other.txt:1: not a pinned distribution",
    ),
    "tags that are none": (
        replaced("kernels/small/predict.py", 'tags=["install"]', "tags=5"),
        "predict.py: not a percent-format notebook",
    ),
    "metadata of a package that are none": (
        written("packages/small/pyproject.toml", 'project = "x"'),
        "packages/small",
    ),
    "a pip line": (code("!pip install -q timm"), "!pip install -q timm"),
    "a command that fetches": (code("!wget https://example.org/x.pt"), "!wget https://example.org/x.pt downloads"),
    "weights from a hub": (
        package("def load(timm):\n    return timm.create_model('x', pretrained=True)"),
        "pretrained=True) downloads",
    ),
    "a call that fetches": (code("torch.hub.load('a/b', 'c')"), "torch.hub.load('a/b') downloads"),
    "a path of the old layout": (code('p = "/kaggle/input/small/train.csv"'), "one of Kaggle's two mount layouts"),
    "a path of the new layout": (code('p = "/kaggle/input/competitions/small/x"'), "one of Kaggle's two mount layouts"),
    "a relative path in the package": (package('P = "../input/some-data/x.csv"'), "one of Kaggle's two mount layouts"),
    "an import of the kernel's that nothing declares": (code("import pandas"), "imports pandas, which packages/small"),
    "an import of the package's that nothing declares": (package("import cv2"), "imports cv2, which packages/small"),
    "a Python that the image has not": (
        replaced("packages/small/pyproject.toml", 'version = "1.0"\n', 'version = "1.0"\nrequires-python = ">=3.13"\n'),
        "requires-python is >=3.13, and small has 3.12",
    ),
    "a package without metadata": (lambda r: (r / "packages/small/pyproject.toml").unlink(), "packages/small"),
    "a stale lock": (
        replaced("packages/small/pyproject.toml", '"iniconfig>=2"', '"iniconfig>=1"'),
        "small.txt: stale: the requirements or the image",
    ),
    "no lock": (lambda r: (r / "requirements/small.txt").unlink(), "small.txt: missing"),
    "a lock that was edited": (
        replaced("requirements/small.txt", "# via: small", "# via: me"),
        "small.txt: edited since it was written",
    ),
    "a checkpoint that is none": (
        written("kernels/small/checkpoints/model.ckpt", "none"),
        "model.ckpt: not a checkpoint",
    ),
    "a checkpoint that Git LFS has": (
        written("kernels/small/checkpoints/model.ckpt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "model.ckpt: a Git LFS pointer",
    ),
    "a checkpoint that Git ignores": (
        ignored_checkpoint,
        "x.secret.ckpt: is ignored by Git",
    ),
    "a checkpoint that Kaggle unpacks": (written("kernels/small/checkpoints/more.zip", "x"), "Kaggle unpacks archives"),
    "a checkpoint that GitHub refuses": (large_checkpoint, "large.json: 101 MiB"),
    "credentials in the repository": (written("kernels/small/kaggle.json", "{}"), "kaggle.json: credentials left"),
    "a retired accelerator": (metadata(machine_shape="NvidiaTeslaP100"), "NvidiaTeslaP100 is retired"),
    "the name of a dataset": (
        metadata(id="OWNER/small-models", title="Small models"),
        "small-models is the name of a dataset that push makes",
    ),
    "a file that the rehearsal did not write": (
        reading("train_images", with_rehearsed),
        "reads train_images, which the command of the last rehearsal did not write",
    ),
    "a file that the data do not have": (
        reading("more.csv", with_data),
        "reads more.csv, which is not among the competition's data in data/small",
    ),
    "a file that is not drawn": (
        reading("images/1.jpg", with_sketch),
        "reads images/1.jpg, which data.json does not have",
    ),
    "a run that would take too long": (slow_run, "5000 rows would take 13.9 hours"),
}


def test_nothing_is_found_where_nothing_is_wrong(sound: Path) -> None:
    assert examine(sound, "small") == []
    # GitHub takes a large file that Git LFS keeps.
    (sound / ".gitattributes").write_text("*.json filter=lfs\n")
    large_checkpoint(sound)
    assert examine(sound, "small") == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # was: pip install rich",
        'hint = "run pip install rich first"',
        'print("""\n!wget https://example.org\n""")',
        "try:\n    import rich\nexcept ImportError:\n    rich = None",
        "from importlib.util import find_spec\nif find_spec('rich'):\n    import rich",
        "from IPython.display import display",
        "import os\nfor folder, _, names in os.walk('/kaggle/input'): print(folder, names)",
        "# %%\n# %%writefile made.py\nX = 1\n\n# %%\nimport made",
        "def f(m): return m.AutoModel.from_pretrained('/kaggle/working/x')",
        "try:\n    import imp\nexcept ImportError:\n    import importlib",
        "try:\n    from importlib import reload\nexcept ImportError:\n    from imp import reload",
        "import sys\nif sys.version_info < (3, 12):\n    import imp",
        "def f(find_input, slug): return find_input('small/x'), find_input('small-models'), find_input(slug)",
        "def f(find_input, root): return find_input('x', root), find_input('x', root=root)",
        "def f(find_input):\n    try:\n        find_input('x')\n    except FileNotFoundError:\n        pass",
        "def find_input(name): return f(name)\nfind_input('x')",
        "model.find_input('x')",
    ],
)
def test_what_is_fine_in_a_kernel_is_not_found(line: str, sound: Path) -> None:
    code(line)(sound)
    assert examine(sound, "small") == []


@pytest.mark.parametrize(
    ("plant", "names"),
    [
        (with_rehearsed, ["test_images", "test_images/a"]),
        (with_data, ["notes.txt", "train.csv"]),
        (with_sketch, ["images", "images/17.png", "train.csv"]),
        # Nobody knows yet.
        (lambda _: None, ["anything.csv"]),
    ],
)
def test_a_file_that_the_rehearsal_has_may_be_read(
    plant: Callable[[Path], object], names: list[str], sound: Path
) -> None:
    plant(sound)
    for name in names:
        reading(name)(sound)
    assert examine(sound, "small") == []


def test_a_finding_can_be_silenced_with_a_reason_as_long_as_it_is_there(sound: Path) -> None:
    code("import sys; sys.path.append('x'); import shared_layers")(sound)
    (found,) = examine(sound, "small")
    assert found.problem.endswith(
        "imports shared_layers, which packages/small does not require, unless a folder that the code adds has it"
    )
    settings("[rehearsal]", '[doctor.ignore]\n"imports shared_layers" = "in the dataset"\n[rehearsal]')(sound)
    assert examine(sound, "small") == []
    replaced("kernels/small/predict.py", "import shared_layers", "pass")(sound)
    (found,) = examine(sound, "small")
    assert found.problem.endswith("doctor.ignore: no finding has 'imports shared_layers'")


@pytest.mark.parametrize(
    "line",
    [
        "NAME = 'submission'; frame.to_csv(f'{NAME}.csv')",
        "import subprocess; subprocess.run(['python', 'step.py'])",
        "%%writefile step.py\nopen('submission.csv', 'w')",
        "!python step.py",
    ],
)
def test_an_output_may_be_named_by_a_variable_a_file_or_a_program(line: str, sound: Path) -> None:
    path = sound / "kernels" / "small" / "predict.py"
    text = path.read_text()
    assert "submission.csv" in text
    path.write_text(text.replace("submission.csv", "out.csv") + f"\n# %%\n{line}\n")
    assert not [finding for finding in examine(sound, "small") if "no code names" in finding.problem]


def test_a_kernel_that_answers_its_gateway_is_fine(sound: Path) -> None:
    answers_a_gateway(rehearsed())(sound)
    assert examine(sound, "small") == []


def test_work_before_the_server_is_reckoned_with_all_rows_where_they_were_drawn(sound: Path) -> None:
    sketch = {"tables": {"train.csv": {"rows": 50_000}}, "files": {}}
    answers_a_gateway(declared("accuracy"), rehearsed(start=20.0))(sound)
    (sound / "kernels" / "small" / "data.json").write_text(json.dumps(sketch))
    (found,) = examine(sound, "small")
    assert "the server would start after 17 minutes" in found.problem
    assert "with 2.00% of the rows" in found.problem


def test_what_no_kernel_runs_may_do_what_it_likes(sound: Path) -> None:
    text = "import rich, pytest\nDATA = '/home/me/x'\ndef train(timm): timm.create_model('x', pretrained=True)\n"
    written("packages/small/src/small/train.py", text)(sound)
    code("net = small\nnet.train = 1")(sound)
    assert examine(sound, "small") == []


@pytest.mark.parametrize(
    "line",
    [
        "import os\nIS_KAGGLE = os.path.exists('/kaggle/input')",
        "print('looking into /kaggle/input/small')",
        "places = ['/kaggle/input/competitions/small/x', '/kaggle/input/small/x']",
        "import requests\nrequests.get('http://gateway:8001/x')",
    ],
)
def test_what_works_under_both_layouts_and_offline_is_fine(line: str, sound: Path) -> None:
    project = sound / "packages" / "small" / "pyproject.toml"
    project.write_text(project.read_text().replace('"iniconfig>=2"', '"iniconfig>=2", "requests"'))
    code(line)(sound)
    assert [finding for finding in examine(sound, "small") if "requirements/small.txt" not in finding.problem] == []


def test_a_path_in_many_cells_is_said_once(sound: Path) -> None:
    code("a = '../input/small/x'; b = '../input/small/x'")(sound)
    assert len(examine(sound, "small")) == 1


def test_a_competition_is_known_whatever_its_capitals(sound: Path) -> None:
    assert examine(sound, "Small") == []


def test_modules_that_distributions_of_other_names_bring_are_required(sound: Path) -> None:
    project = sound / "packages" / "small" / "pyproject.toml"
    project.write_text(
        project.read_text().replace('"iniconfig>=2"', '"iniconfig>=2", "protobuf", "absl-py", "pyasyncore"')
    )
    code("from google.protobuf import message\nfrom absl import flags\nimport asyncore")(sound)
    assert [f.problem for f in examine(sound, "small") if "imports" in f.problem] == []


def test_a_newer_image_of_the_local_kaggle_is_none_that_kaggle_has(sound: Path) -> None:
    newer_image(sound)
    newer = sound / "requirements" / "images" / "newer.txt"
    source = "# source: kaggler/capture-of-image-newer version 1 on local, from inside"
    newer.write_text(f"{source}\n{newer.read_text()}")
    assert examine(sound, "small") == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_alone_with_its_cure(fault: str, sound: Path) -> None:
    plant, problem = FAULTS[fault]
    plant(sound)
    (finding,) = examine(sound, "small")
    assert problem in finding.problem
    assert str(sound) not in finding.problem
    assert len(finding.cure) > 10


def test_the_faults_are_many() -> None:
    assert len(FAULTS) >= 25


def test_nothing_is_found_in_this_repository() -> None:
    for competition in list_competitions(REPOSITORY):
        assert examine(REPOSITORY, competition) == []


def run(repository: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaggle_offline", "doctor", *arguments]
    variables = {"PATH": os.environ["PATH"], "HOME": str(repository / "home"), **environment}
    return subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)


def test_the_command_lists_what_it_finds_and_its_exit_code_tells(sound: Path) -> None:
    good = run(sound)
    assert (good.returncode, good.stdout) == (0, "small: no problems found\n")
    metadata(is_private=False)(sound)
    code("import pandas")(sound)
    bad = run(sound, "small")
    assert bad.returncode == FindingsError.exit_code
    assert "small:\n  kernels/small/kernel-metadata.json: is_private: false\n    → " in bad.stdout
    assert "kaggle-offline: 2 found\n" in bad.stderr
    assert run(sound, "nowhere").returncode == UnknownCompetitionError.exit_code


def test_it_says_whose_the_credentials_are_and_whether_the_competition_takes_submissions(
    sound: Path, local_kaggle: LocalKaggle, tmp_path: Path
) -> None:
    folder = tmp_path / "hosted"
    command = [sys.executable, "-m", "small.competition", str(folder)]
    source = str(sound / "packages" / "small" / "src")
    subprocess.run(command, env={**os.environ, "PYTHONPATH": source}, check=True)
    local_kaggle.host(folder)
    local_kaggle.tokens = TOKENS
    target = {**environment_of(local_kaggle), "KAGGLE_TARGET": "kaggle"}
    asked = run(sound, **target)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert f"Kaggle knows you as {USER}" in asked.stdout
    assert "small: 5 submissions are left today" in asked.stdout

    settings = folder / "competition.toml"
    settings.write_text(settings.read_text() + "entered = false\n")
    asked = run(sound, **target)
    assert asked.returncode == FindingsError.exit_code
    assert f"small: {USER} has not accepted its rules" in asked.stdout
    assert "https://www.kaggle.com/competitions/small/rules" in asked.stdout

    missing = run(sound, KAGGLE_TARGET="kaggle")
    assert missing.returncode == FindingsError.exit_code
    assert "credentials:\n  Kaggle: no credentials" in missing.stdout
    assert CredentialsError.exit_code != FindingsError.exit_code
    wrong = {**target, "KAGGLE_API_TOKEN": ""}
    refused = run(sound, **wrong, KAGGLE_USERNAME="me", KAGGLE_KEY="bogus")
    assert refused.returncode == FindingsError.exit_code
    assert "credentials:\n  Kaggle: credentials: 401" in refused.stdout
    assert "Kaggle knows you" not in refused.stdout


def test_a_folder_without_settings_is_found_and_no_folder_at_all_is_told(sound: Path) -> None:
    (sound / "kernels" / "other").mkdir()
    found = run(sound)
    assert found.returncode == FindingsError.exit_code
    assert "other:\n  kernels/other/submission.toml: not found" in found.stdout
    for name in ("other", "small"):
        shutil.rmtree(sound / "kernels" / name)
    assert run(sound).returncode == UnknownCompetitionError.exit_code
