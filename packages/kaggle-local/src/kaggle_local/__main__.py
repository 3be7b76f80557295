"""The command line: ``kaggle-local serve``, ``gc``, ``reset``."""

import argparse
import inspect
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import ImageError, LocalKaggleError
from kaggle_local.interpreters import UV, available_python
from kaggle_local.runs.image import USUAL, ImageSpec, read_manifest
from kaggle_local.server import collect_garbage, serve
from kaggle_local.storage import reset
from kaggle_local.terminal import safe_output

# The variables of each line that is to be pasted.
_EXPORTS = (
    ("KAGGLE_API_ENVIRONMENT",),
    ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"),
    ("KAGGLE_API_TOKEN",),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    options = _parser().parse_args(arguments)
    with safe_output():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run the command; print what went wrong and return the exit code."""
    try:
        if options.command == "serve":
            _serve(options)
        elif options.command == "gc":
            print(f"{collect_garbage(options.storage) / 1e6:,.1f} MB are free now.")
        else:
            _reset(options)
    except KeyboardInterrupt:
        return 0
    except LocalKaggleError as error:
        print(f"kaggle-local: {error.problem}\n  {error.cure}", file=sys.stderr)
        return 2
    except OSError as error:
        # A full disk, for instance.
        print(f"kaggle-local: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kaggle-local", description="A Kaggle of one's own, on loopback.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('kaggle-local')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    settings = (inspect.getdoc(Behaviour) or "").partition("Attributes:\n")[2]
    command = commands.add_parser(
        "serve",
        help="serve the official client until interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"settings:\n{settings}",
    )
    command.add_argument(
        "--port", type=int, default=8899, help="on 127.0.0.1; 0 takes a free one (default %(default)s)"
    )
    command.add_argument(
        "--image",
        type=Path,
        metavar="MANIFEST",
        help="what kernels can import: a file of pins such as requirements/images/kaggle-cpu-2026-10.txt "
        "(default: the image of the last push or serve, else an empty Python)",
    )
    command.add_argument(
        "--install",
        action="append",
        default=[],
        metavar="NAME",
        help=f"install this distribution of the manifest, too; may be repeated (always: {', '.join(USUAL)})",
    )
    command.add_argument("--competition", type=Path, action="append", default=[], help="a competition folder to host")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, see below; may be repeated"
    )
    commands.add_parser("gc", help="delete unused files: forgotten uploads, archives for downloads, old images")
    command = commands.add_parser("reset", help="empty the storage")
    command.add_argument("--images", action="store_true", help="the images too, which take minutes to build")
    command.add_argument("--yes", action="store_true", help="do not ask")
    for command in commands.choices.values():
        command.add_argument("--storage", type=Path, default=Path(".kaggle-local"), help="default: %(default)s")
    return parser


def _serve(options: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.install and options.image is None:
        raise ImageError("--install: no image manifest is given", "Name one with --image.")
    spec = _read_spec(options.image, options.install) if options.image else None
    with serve(options.storage, port=options.port, behaviour=Behaviour().changed(options.set)) as kaggle:
        for folder in options.competition:
            kaggle.host(folder)
        if spec is not None:
            if not kaggle.has_image(spec):
                wanted = ", ".join(spec.distributions)
                print(f"# Building an image for Python {spec.python}: {wanted}", flush=True)
            kaggle.set_image(spec)
        print("# The official client, pointed here:")
        for names in _EXPORTS:
            print("export", *(f"{name}={kaggle.environment[name]}" for name in names), flush=True)
        # A comment, so that the whole can be pasted.
        print("# To undo that: unset", *chain(*_EXPORTS), flush=True)
        threading.Event().wait()


def _read_spec(manifest: Path, also: Sequence[str]) -> ImageSpec:
    """Read an image manifest; where its Python is not installed, take the same versions for the Python that is."""
    spec = read_manifest(manifest, also)
    python = available_python(spec.python)
    if python != spec.python:
        print(f"# Python {spec.python} not found: kernels run on {python} ({UV} python install {spec.python} adds it)")
    return replace(spec, python=python)


def _reset(options: argparse.Namespace) -> None:
    if options.yes or _asked(f"Delete every dataset, model, kernel and submission of {options.storage}? [y/N] "):
        reset(options.storage, images=options.images)
        print(f"{options.storage} is empty.")
    else:
        print("Nothing was deleted.")


def _asked(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to answer
        return False


if __name__ == "__main__":
    sys.exit(main())
