"""The user's web browser."""

import webbrowser
from pathlib import Path


def show(place: str) -> None:
    """Open an address, or a file by its path, in the browser; without a browser, print it."""
    address = place if place.startswith("https://") else Path(place).as_uri()
    if not webbrowser.open(address):
        print(f"  no browser to open {place} in")
