"""The command line: ``kaggle-local serve``."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from kaggle_local.errors import LocalKaggleError
from kaggle_local.server import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; see ``--help``."""
    parser = argparse.ArgumentParser(prog="kaggle-local", description="A Kaggle of one's own, on loopback.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="serve the official client until interrupted")
    command.add_argument("--storage", type=Path, default=Path(".kaggle-local"), help="default: %(default)s")
    command.add_argument(
        "--port", type=int, default=8899, help="on 127.0.0.1; 0 takes a free one (default %(default)s)"
    )
    command.add_argument("--competition", type=Path, action="append", default=[], help="a competition folder to host")
    command.add_argument("--old-layout", action="store_true", help="mount inputs as /kaggle/input/<slug>")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serve(options.storage, port=options.port, old_layout=options.old_layout) as kaggle:
            for folder in options.competition:
                kaggle.host(folder)
            print("# The official client, pointed here:")
            print("export KAGGLE_API_ENVIRONMENT=LOCALHOST")
            print(f"export HTTP_PROXY={kaggle.url} http_proxy={kaggle.url} NO_PROXY= no_proxy=")
            print(f"export KAGGLE_API_TOKEN={kaggle.token}", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except LocalKaggleError as error:
        print(f"kaggle-local: {error.problem}\n  {error.cure}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
