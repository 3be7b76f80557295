"""The runs that a kernel has to wait for: those of the account's own kernels whose output it reads."""

from kaggle_offline.delivery.kernel_run import wait_for_run
from kaggle_offline.delivery.target import Target
from kaggle_offline.environment import command
from kaggle_offline.errors import RunError
from kaggle_offline.kaggle.kernels import KernelState, RunState
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.upstreams import upstreams_of


def wait_for_upstreams(target: Target, kernel: KernelFolder) -> list[str]:
    """Wait until the newest versions of the kernels that a kernel reads have run; return them, as a push depends on.

    A run mounts the newest complete version of another kernel, whatever the source's number (reported live): while a
    newer one runs, or after it has failed, that is an outdated one.

    Raises:
        RunError: one of this repository was never pushed, or its newest run failed.
    """
    client, own = target.client, upstreams_of(kernel.repository, kernel.competition)
    found = []
    for source in kernel.metadata.sources["kernel"]:
        owner, slug, *_ = source.split("/")
        if source not in own and owner.casefold() != client.owner.casefold():
            continue
        ref, name = f"{client.owner}/{slug}", own.get(source, "")
        cure = f"Run: {command('freeze push', name)}" if name else "Run it again on Kaggle."
        state = client.kernels.state(slug)
        if state is None:
            raise RunError(f"{ref}: not there, and {kernel.slug} reads its output", cure)
        version, run = _newest_run(target, slug, state)
        if run.status in ("queued", "running"):
            print(f"  {slug}: version {version} runs; {kernel.slug} reads its output", flush=True)
            run, _ = wait_for_run(target, slug, version)
        if run.status != "complete":
            problem = f"{ref} version {version} failed, and {kernel.slug} would read the output of an older one"
            if name:
                raise RunError(problem, cure)
            print(f"  {problem}", flush=True)
        found.append(f"{slug} {version}")
    return found


def _newest_run(target: Target, slug: str, shown: KernelState) -> tuple[int, RunState]:
    """Return the newest version of a kernel that runs or has run, and its run; a saved one never does."""
    kernels = target.client.kernels
    *_, newest = kernels.versions_from(slug, shown)
    version = newest.version
    run = kernels.run(slug, version)
    while run.status == "saved" and version > 1:
        version -= 1
        run = kernels.run(slug, version)
    return version, run
