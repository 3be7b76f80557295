"""``completion``: print the line that lets a shell complete commands, options and competitions."""

import argparse
from pathlib import Path

from argcomplete.shell_integration import shellcode


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    del repository
    print(shellcode(["kaggle-offline"], shell=options.shell))
