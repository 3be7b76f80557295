"""Checks of the kernel's metadata: settings that Kaggle would refuse, replace or show to everybody."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator

from kaggle_offline.artifacts.pack import OWNER, dataset_slug
from kaggle_offline.artifacts.render import IMPORTED_EARLY
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.doctor.subject import Check, Finding, Subject
from kaggle_offline.environment import command
from kaggle_offline.files import read_json
from kaggle_offline.reports.result import read_result
from kaggle_offline.repository.image_manifest import image_files, read_image_manifest
from kaggle_offline.repository.kernel_metadata import METADATA_KEYS, is_tpu, warning_about_retired
from kaggle_offline.repository.upstreams import upstreams_of

# The further sources that a kernel may name, by kind: their form, and how to say it.
_OWNED = re.compile(r"(?!INSERT)[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w.-]*(/(versions/)?\d+)?", re.ASCII)
_SOURCE_FORMS = (
    ("dataset", _OWNED, "owner/slug"),
    ("kernel", _OWNED, "owner/slug"),
    ("model", re.compile(r"[^/\s]+(/[^/\s]+){2,3}(/\d+)?"), "owner/model/framework/variation/version"),
)


def _names(subject: Subject) -> Iterable[Finding]:
    # Where the longer of the two datasets' names will do, so will the other.
    dataset_slug(subject.kernel.competition, "packages")
    return ()


def _visibility(subject: Subject) -> Iterator[Finding]:
    if not subject.kernel.metadata.is_private:
        yield Finding(
            f"{subject.metadata}: is_private: {json.dumps(subject.kernel.metadata.is_private)}",
            "Everybody would see the kernel, which many competitions forbid: set it to true.",
        )


def _sources(subject: Subject) -> Iterator[Finding]:
    own = upstreams_of(subject.kernel.repository, subject.kernel.competition)
    for kind, form, cure in _SOURCE_FORMS:
        sources, key = subject.kernel.metadata.sources[kind], f"{kind}_sources"
        for source in sources:
            unknown_owner = source.startswith(f"{OWNER}/") and kind != "dataset" and source not in own
            if not form.fullmatch(source) or unknown_owner:
                yield Finding(f"{subject.metadata}: {key}: {source!r}", f"Write it as {cure}.")
        if len(set(sources)) < len(sources):
            yield Finding(f"{subject.metadata}: {key}: names one twice", "Name each once.")


def _keys(subject: Subject) -> Iterator[Finding]:
    for key in sorted(set(subject.kernel.metadata.document) - METADATA_KEYS):
        likely = difflib.get_close_matches(key, METADATA_KEYS, 1)
        cure = f"Write {likely[0]}." if likely else "Take it out: Kaggle does not know it."
        yield Finding(f"{subject.metadata}: {key}: unknown key", cure)


def _twins(subject: Subject) -> Iterator[Finding]:
    for path in sorted(subject.kernel.folder.parent.glob("*/kernel-metadata.json")):
        try:
            other = read_json(path)["id"]
        except (OSError, ValueError, KeyError, TypeError):
            # That is a finding of its own competition.
            continue
        if path.parent != subject.kernel.folder and str(other).partition("/")[2] == subject.kernel.slug:
            yield Finding(
                f"{subject.metadata}: id: {subject.where(path)} has the same",
                "One kernel would take the other's place: give each a title and an id of its own.",
            )


def _accelerator(subject: Subject) -> Iterator[Finding]:
    wanted = subject.kernel.metadata.enable_gpu
    has_gpu = subject.image.has_gpu
    whose = "with a GPU" if has_gpu else "without a GPU"
    if wanted != has_gpu and "accelerator" in subject.image.header:
        yield Finding(
            f"{subject.metadata}: enable_gpu is {json.dumps(wanted)}, but {subject.image.name} is the image {whose}",
            "Set enable_gpu as the image needs it, or name the other image in submission.toml.",
        )


def _machine_shape(subject: Subject) -> Iterator[Finding]:
    warning = warning_about_retired(subject.kernel.metadata.machine_shape)
    if warning:
        yield Finding(f"{subject.metadata}: machine_shape: {warning}", "Name another, or take the key out.")


def _shared_name(subject: Subject) -> Iterator[Finding]:
    for kind in ("packages", "models"):
        if subject.kernel.slug == dataset_slug(subject.kernel.competition, kind):
            yield Finding(
                f"{subject.metadata}: id: {subject.kernel.slug} is the name of a dataset that push makes",
                "Give the kernel another title and id: kernels and datasets share one set of names.",
            )


def _imported_early(subject: Subject) -> Iterator[Finding]:
    lock = read_lock(subject.kernel.lock)
    if subject.kernel.is_script or lock is None:
        return
    for replaced in lock.replaced:
        if replaced.name in IMPORTED_EARLY:
            yield Finding(
                f"{subject.where(subject.kernel.lock)}: replaces {replaced.name}, which a notebook on Kaggle imports "
                "before its first cell and keeps in the image's version",
                "Make the kernel a script: kernel_type in kernel-metadata.json; or require the image's version.",
            )


def _tpu(subject: Subject) -> Iterator[Finding]:
    if subject.kernel.metadata.enable_tpu:
        yield Finding(
            f"{subject.metadata}: enable_tpu is true, and {subject.image.name} is not an image for TPUs",
            "Set it to false.",
        )


def _pin(subject: Subject) -> Iterator[Finding]:
    """Compare the kernel's own setting, which wins, with the image of the lock."""
    metadata, image = subject.kernel.metadata, subject.image
    cure = "Take it out, and push pins the kernel to its image."
    if metadata.docker_image and (metadata.enable_tpu or is_tpu(metadata.machine_shape)):
        yield Finding(f"{subject.metadata}: docker_image: a kernel with a pinned image gets no TPU", "Take it out.")
    elif metadata.docker_image and metadata.docker_image != image.docker_image:
        of_lock = f"{image.name}, which is {image.docker_image}" if image.docker_image else image.name
        yield Finding(
            f"{subject.metadata}: docker_image: the kernel runs in {metadata.docker_image}, but its lock is for "
            f"{of_lock}",
            f"{cure} Or name the manifest of that image in submission.toml.",
        )
    elif metadata.docker_image_pinning_type == "latest" and image.docker_image:
        yield Finding(
            f"{subject.metadata}: docker_image_pinning_type: latest runs the kernel in Kaggle's newest image, but its "
            f"lock is for {image.name}; install.py refuses an image whose Python or versions do not fit",
            cure,
        )


def _newer_image(subject: Subject) -> Iterator[Finding]:
    manifests = [read_image_manifest(path) for path in image_files(subject.kernel.repository).values()]
    kind = (subject.image.has_gpu, subject.image.is_local)
    dated = [m for m in manifests if (m.has_gpu, m.is_local) == kind and m.header.get("date")]
    newest = max(dated, key=lambda m: m.header["date"], default=subject.image)
    if subject.image.header.get("date", "9") < newest.header.get("date", ""):
        yield Finding(
            f"{subject.settings}: image: {subject.image.name} is of {subject.image.header['date']}, and "
            f"{newest.name} of {newest.header['date']} is there",
            f"Kaggle has moved on. See what would change: {command('lock', f'--image {newest.name}')}",
        )


def _image_of_run(subject: Subject) -> Iterator[Finding]:
    """Report the digest of the last run on Kaggle, where the manifest lacks it."""
    result = read_result(subject.kernel.build)
    is_of_image = result.target == "kaggle" and result.run is not None and result.run.image == subject.image.name
    if result.run and is_of_image and result.run.docker_image and not subject.image.docker_image:
        yield Finding(
            f"{subject.where(subject.kernel.image)}: no docker-image; the last run on Kaggle was in "
            f"{result.run.docker_image}",
            "Pin kernels to it, if it is the manifest's image: add the line "
            f"# docker-image: {result.run.docker_image} to the manifest, and run: {command('lock')}",
        )


METADATA_CHECKS: tuple[Check, ...] = (
    _names,
    _visibility,
    _keys,
    _sources,
    _twins,
    _accelerator,
    _tpu,
    _pin,
    _machine_shape,
    _shared_name,
    _imported_early,
    _newer_image,
    _image_of_run,
)
