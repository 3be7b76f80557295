"""The search for leaked credentials finds those that are there."""

import subprocess
import sys
import time
from pathlib import Path

from tests.canary import ProcessWatch, leaks_in_files

# Not one that the run as a whole is searched for.
SECRET = "planted-here-on-purpose"


def test_a_secret_is_found_in_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "log.json").write_bytes(b"\x00 token " + SECRET.encode())
    (tmp_path / "a" / "b" / f"{SECRET}.txt").touch()
    (tmp_path / "a" / "b" / "fine.txt").write_text("nothing")
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    found = leaks_in_files(tmp_path, (SECRET,))
    assert sorted(Path(path).name for path in found) == ["log.json", f"{SECRET}.txt"]


def test_a_secret_is_found_in_the_arguments_of_a_process_of_a_process() -> None:
    watch = ProcessWatch((SECRET,))
    inner = f"import time; time.sleep(0.5) # {SECRET}"
    subprocess.run(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"], check=True
    )
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    time.sleep(0.2)
    found = watch.stop()
    assert found
    assert all(SECRET in arguments for arguments in found)
