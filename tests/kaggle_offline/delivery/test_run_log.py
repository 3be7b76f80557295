"""Why a run failed, as far as its log and Kaggle's message tell."""

import json

import pytest
from kaggle_offline.delivery.run_log import cause_of, read_log


def log(*lines: str) -> str:
    return json.dumps([{"stream_name": "stderr", "time": 1.5, "data": f"{line}\n"} for line in lines])


@pytest.mark.parametrize(
    ("failure", "lines", "cause"),
    [
        ("", ["ModuleNotFoundError: No module named 'timm.layers'"], "could not import timm.layers"),
        ("", ["ImportError: cannot import name 'ema' from 'timm'"], "could not import ema"),
        ("", ["FileNotFoundError: [Errno 2] No such file or directory: '/kaggle/input/x'"], "missed an input"),
        ("", ["FileNotFoundError: small-models is not among this kernel's inputs"], "missed an input"),
        ("", ["StopIteration"], "missed an input"),
        (
            "",
            ["FileNotFoundError: [Errno 2] No such file: '/kaggle/input/competitions/titanic/sub/gender.csv'"],
            "the competition's data lack sub/gender.csv",
        ),
        ("", ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"], "out of memory"),
        ("", ["MemoryError"], "out of memory"),
        ("Your notebook tried to allocate more memory than is available. It has restarted.", [], "out of memory"),
        ("the run used more memory than its limit of 1.00 GiB", ["predicting"], "out of memory"),
        ("nbclient.exceptions.DeadKernelError: Kernel died", [], "out of memory"),
        ("the run took longer than its limit of 5 s", ["predicting"], "out of time"),
        ("Notebook exceeded the maximum allowed execution duration", [], "out of time"),
        ("", ["ValueError: time series too short"], "ValueError: time series too short"),
        ("", ["install.py: numpy is not what was frozen", "RuntimeError: see above"], "numpy is not what was frozen"),
        ("", ["\x1b[0;31mModuleNotFoundError\x1b[0m: No module named 'timm'"], "could not import timm"),
        ("", ["ImportError: libcudart.so.12: cannot open shared object file: No such file"], "import libcudart.so.12"),
        ("", ["urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>"], "the network"),
        ("Something else", [], "Something else"),
        ("", [], "no reason is given"),
    ],
)
def test_the_usual_causes_are_told_apart(failure: str, lines: list[str], cause: str) -> None:
    found = cause_of(failure, read_log(log(*lines)))
    assert cause in found.text
    assert found.cure


def test_a_log_is_read_as_kaggle_keeps_it_or_as_text() -> None:
    read = read_log(log("one", "two"))
    assert (read.seconds, read.lines) == (1.5, ("one", "two"))
    assert read_log("plain\ntext").lines == ("plain", "text")
    assert read_log("").lines == ()
    assert "  | two" in read.end


@pytest.mark.parametrize(
    ("line", "late"),
    [
        ("FileNotFoundError: my-models is not among this kernel's inputs", True),
        ("FileNotFoundError: my-models/other/checkpoints/3 is not among this kernel's inputs", True),
        ("RuntimeError: my-models: another version is mounted than this kernel was made with", True),
        ("FileNotFoundError: other-models is not among this kernel's inputs", False),
    ],
)
def test_what_is_mounted_late_is_known(line: str, late: bool) -> None:
    assert read_log(log(line)).misses(["my-packages", "my-models"]) is late
