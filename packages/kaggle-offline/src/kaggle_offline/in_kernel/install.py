"""Install what the image lacks, in a kernel that has no network; freeze put this file here.

``python install.py --digest sha256:…`` checks every file beside it against ``freeze.json`` before
anything is installed, then installs the lock without resolving. Standard library only.
"""

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class RefusedError(Exception):
    """What is mounted is not what the kernel was made for."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def read_manifest() -> dict[str, Any]:
    """Read ``freeze.json``.

    Raises:
        RefusedError: it is missing or malformed.
    """
    try:
        manifest: dict[str, Any] = json.loads((HERE / "freeze.json").read_text(encoding="utf-8"))
        texts = [manifest["digest"], *(entry[key] for entry in manifest["files"] for key in ("name", "sha256"))]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a name or digest is not a text")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"freeze.json: {type(error).__name__}: {error}") from error
    return manifest


def check(manifest: dict[str, Any], expected: str) -> list[Path]:
    """Every wheel of the manifest, each seen to be whole.

    Raises:
        RefusedError: another version is mounted, or a file is missing or changed.
    """
    lines = sorted(f"{entry['name']}\0{entry['sha256']}\n" for entry in manifest["files"])
    digest = f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
    if digest != manifest["digest"]:
        raise RefusedError(f"freeze.json: its files give {digest}, but it says {manifest['digest']}")
    if digest != expected:
        raise RefusedError(f"this kernel was made for {expected}, but {digest} is mounted")
    wheels = []
    for entry in manifest["files"]:
        path = HERE / entry["name"]
        if not path.is_file():
            raise RefusedError(f"{entry['name']}: missing from the dataset")
        if sha256(path) != entry["sha256"]:
            raise RefusedError(f"{entry['name']}: not the file that was frozen")
        if entry["name"].endswith(".whl"):
            wheels.append(path)
    return wheels


def install(wheels: list[Path]) -> None:
    """Install the wheels as they are, with uv where the image has it, else with pip."""
    if importlib.util.find_spec("uv"):
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-config"]
        command += ["--python", sys.executable, "--break-system-packages"]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--no-index", "--no-deps", *map(str, wheels)], check=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--digest", required=True, help="of the packages that the kernel was made for")
    digest = parser.parse_args().digest
    try:
        wheels = check(read_manifest(), digest)
        install(wheels)
    except (RefusedError, OSError) as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"install.py: {error.cmd[2]} could not install the wheels", file=sys.stderr)
        return 3
    print(f"installed {', '.join(wheel.name.split('-')[0] for wheel in wheels)} from {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
