"""``kaggle-offline`` and ``python -m kaggle_offline``: Ctrl-C ends them in one line, while modules are imported too."""

import sys


def main() -> int:
    """Run the command line; return its exit code."""
    try:
        from kaggle_offline import cli

        return cli.main()
    except KeyboardInterrupt:
        print("\nkaggle-offline: interrupted\n  → Run the same command again.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
