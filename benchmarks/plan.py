"""A plan in a repository of many competitions, against asking Git about each of them.

Each competition has its kernel folder, lock and image, and a package that requires one that all share;
the last tag for all is followed by a tag and a commit of its own for every other one.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kaggle_offline.commands.plan import plan_tag
from tqdm import tqdm

REPOSITORY = Path(__file__).resolve().parents[1]
# A test runs it with small sizes, to see that it works; its figures mean nothing then.
QUICK = "--quick" in sys.argv
RESULT = REPOSITORY / "build" / "bench" / ("quick" if QUICK else ".") / "plan.json"
COMPETITIONS, RUNS = (8, 1) if QUICK else (500, 5)

# The goals of the command.
SECONDS = 1.0

FILES = {
    "kernels/{c}/submission.toml": 'package = "{c}"\nimage = "i"\ncheckpoints = "checkpoints"\noutput = "out.csv"\n'
    '[rehearsal]\ncompetition = "python -m x"\n',
    "kernels/{c}/predict.py": "",
    "kernels/{c}/kernel-metadata.json": "{{}}",
    "kernels/{c}/checkpoints/model.ckpt": "",
    "packages/{c}/pyproject.toml": "[project]\nname = '{c}'\nversion = '1'\ndependencies = ['torch>=2', 'shared']\n",
    **{f"packages/{{c}}/src/module{number}.py": "" for number in range(10)},
    "requirements/{c}.txt": "",
}


def main() -> None:
    """Measure, print the table, write it as JSON."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    names = [f"competition-{number}" for number in range(COMPETITIONS)]
    with tempfile.TemporaryDirectory() as folder:
        clone = _make_repository(Path(folder), names)
        command = [sys.executable, "-m", "kaggle_offline", "plan", "submit-v2"]
        by_hand = _median(lambda: _ask_git(clone, names))
        function = _median(lambda: plan_tag(clone, "submit-v2"))
        whole = _median(lambda: subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL))
        planned = len(plan_tag(clone, "submit-v2").reasons)
    rows = {"command, seconds": whole, "function, seconds": function, "git diff for each, seconds": by_hand}
    RESULT.write_text(json.dumps({**rows, "competitions": COMPETITIONS, "planned": planned}, indent=2) + "\n")
    print(f"{COMPETITIONS} competitions, of which {planned} have changed; median of {RUNS}")
    for name, value in rows.items():
        print(f"  {name:28} {value:6.2f}")
    print(f"  by hand takes {by_hand / whole:.1f} times the command; asked of that is under {SECONDS:.0f} s")


def _make_repository(folder: Path, names: list[str]) -> Path:
    """A repository of the competitions, and of the history of their tags."""
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    files = {path.format(c=name): text.format(c=name) for name in names for path, text in FILES.items()}
    files |= {"packages/shared/pyproject.toml": "[project]\nname = 'shared'\nversion = '1'\n"}
    files |= {"requirements/images/i.txt": ""}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    _commit(folder, "submit-v1")
    for name in tqdm(names[::2], desc="bench plan: history", disable=None):
        (folder / "kernels" / name / "predict.py").write_text("# Changed.\n")
        _commit(folder, f"submit-{name}-v1")
    for name in names[::4]:
        (folder / "packages" / name / "src" / "module0.py").write_text("# Changed.\n")
    _commit(folder)
    return folder


def _commit(folder: Path, tag: str = "") -> None:
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "x"], cwd=folder, check=True)
    if tag:
        subprocess.run(["git", "tag", tag], cwd=folder, check=True)


def _ask_git(clone: Path, names: list[str]) -> None:
    """Tell whether each competition has changed, as a person would see to it who knows its last tag and its inputs."""
    for name in names:
        paths = [f"kernels/{name}", f"packages/{name}", "packages/shared", f"requirements/{name}.txt"]
        command = ["git", "diff", "--quiet", "submit-v1", "HEAD", "--", *paths, "requirements/images/i.txt"]
        subprocess.run(command, cwd=clone, check=False)


def _median(action: Callable[[], object]) -> float:
    """Seconds that it takes, in the middle of several runs."""
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
