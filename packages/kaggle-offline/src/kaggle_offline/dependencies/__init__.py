"""From requirements to files: resolved against the image, pinned, downloaded, built."""
