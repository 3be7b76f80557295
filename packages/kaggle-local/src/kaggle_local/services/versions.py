"""Versions of datasets and models: made of uploads, looked up, downloaded."""

from collections.abc import Iterator
from typing import Any

from kagglesdk.common.types.http_redirect import HttpRedirect

from kaggle_local.services.names import check_file_name
from kaggle_local.services.rpc import ApiError, Call, require_visible
from kaggle_local.storage import Content, Kind, Resource, Version
from kaggle_local.storage.database import age_of


def content_of(call: Call, body: Any) -> Content:
    """Return the path and token of every file of a request's ``files`` and ``directories``.

    Raises:
        ApiError: 400 for an upload that is not complete, a path that is there twice, or no file at all.
    """
    content = list(_files(call, body, ""))
    if not content:
        raise ApiError(400, "A version needs at least one file")
    paths: set[str] = set()
    for path, _ in content:
        if path in paths:
            raise ApiError(400, f"{path} is there twice")
        paths.add(path)
    return content


def _files(call: Call, folder: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for file in folder.files or []:
        upload = call.storage.uploads.get(file.token)
        if upload is None or not upload.complete:
            name = upload.name if upload else "a file"
            raise ApiError(400, f"The upload of {name} is not complete")
        yield f"{prefix}{upload.name}", upload.token
    for inner in folder.directories or []:
        check_file_name(call, inner.name)
        yield from _files(call, inner, f"{prefix}{inner.name}/")


def find(call: Call, kind: Kind, ref: str) -> Resource:
    """Return the resource of that name, if whoever asks may see it.

    Raises:
        ApiError: 404 for an unknown name, 403 for another's private resource and for one that was made a moment ago.
    """
    resource = call.storage.resources.get(kind, ref)
    if resource is None:
        raise ApiError(404, f"{kind.capitalize()} not found: {ref}")
    require_visible(call, resource.owner, resource.private)
    first = next(iter(call.storage.resources.versions(kind, ref)), None)
    if first is not None and age_of(first.created) < call.behaviour.fresh_seconds:
        raise ApiError(403, f"Permission denied: {ref}")
    return resource


def find_version(call: Call, kind: Kind, ref: str, number: int | None) -> Version:
    """Return a version of a resource that `find` has found; by default the one in use.

    Raises:
        ApiError: 404.
    """
    resources = call.storage.resources
    version = resources.version(kind, ref, number) if number else resources.latest_ready(kind, ref)
    if version is None:
        name = f"{ref}/{number}" if number else ref
        raise ApiError(404, f"{kind.capitalize()} version not found: {name}")
    return version


def add_version(call: Call, resource: Resource, notes: str, body: Any, *, replaces_all: bool = False) -> Version:
    """Have another version of a resource made of a request's files.

    Raises:
        ApiError: 403 while the first version is in processing; as `content_of`.
    """
    versions = call.storage.resources.versions(resource.kind, resource.ref)
    if call.behaviour.one_at_a_time and [(v.number, v.status) for v in versions] == [(1, "processing")]:
        raise ApiError(403, f"The first version of {resource.ref} is still in processing")
    content = content_of(call, body)
    version = call.storage.resources.add_version(resource, notes, content, replaces_all=replaces_all)
    call.worker.process(version)
    return version


def process_first(call: Call, resource: Resource) -> None:
    """Have the first version of a new resource processed."""
    call.worker.process(call.storage.resources.versions(resource.kind, resource.ref)[0])


def download(call: Call, version: Version, path: str | None, suffix: str) -> HttpRedirect:
    """Redirect to a version's file, or to an archive of all its files.

    Raises:
        ApiError: 404 for a file that is not there, or a version that is not ready.
    """
    files = [name for name, _ in version.files()]
    if version.status != "ready" or (path and path not in files):
        raise ApiError(404, f"{version.ref} version {version.number} has no {path or 'files yet'}")
    folder = version.folder.relative_to(call.storage.root)
    if path:
        return call.redirect(folder / path)
    return call.redirect_to_all(version.folder, str(folder), version.created, suffix)
