"""The log of a run: events as they come about, or all of them once it has ended."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from kaggle_local.storage import KernelVersion, Storage
from kaggle_local.worker import Worker

# Seconds between two looks.
_POLL = 0.1


def log_response(version: KernelVersion, storage: Storage, worker: Worker) -> Response:
    """Return a version's log, as a stream of server-sent events while it runs."""
    if version.status in ("queued", "running"):
        return StreamingResponse(_events(version, storage, worker), media_type="text/event-stream")
    return Response(version.log() or "[]", media_type="application/octet-stream")


async def _events(version: KernelVersion, storage: Storage, worker: Worker) -> AsyncIterator[str]:
    number = 0
    state: KernelVersion | None = version
    while state is not None and state.status in ("queued", "running"):
        live = worker.live_log(state, number)
        if live is not None:
            events, number = live
            for event in events:
                yield f"data: {json.dumps(event)}\n\n"
        await asyncio.sleep(_POLL)
        state = storage.kernels.get(version.owner, version.slug, version.number)
    if state is not None:
        # Lines that were printed between the last look and the end.
        for event in json.loads(state.log() or "[]")[number:]:
            yield f"data: {json.dumps(event)}\n\n"
    yield "data: END_OF_LOG\n\n"
