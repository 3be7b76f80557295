"""The runs that a kernel has to wait for: those of the account's own kernels whose output it reads."""

from kaggle_offline.delivery.kernel_run import wait_for_run
from kaggle_offline.delivery.target import Target
from kaggle_offline.errors import RunError
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.upstreams import upstreams_of


def wait_for_upstreams(target: Target, kernel: KernelFolder) -> list[str]:
    """Wait until the newest versions of the kernels that a kernel reads have run; return them, as a push depends on.

    A run mounts the newest complete version of another kernel, whatever the source's number (reported live): while a
    newer one runs, or after it has failed, that is an outdated one.

    Raises:
        RunError: one was never pushed, or its newest run failed.
    """
    client, own = target.client, upstreams_of(kernel.repository, kernel.competition)
    found = []
    for source in kernel.metadata.sources["kernel"]:
        owner, slug, *_ = source.split("/")
        if source not in own and owner.casefold() != client.owner.casefold():
            continue
        ref, name = f"{client.owner}/{slug}", own.get(source, "")
        push = f"Run: nox -s freeze push -- {name}".removesuffix(" -- ")
        state = client.kernels.state(slug)
        if state is None:
            raise RunError(f"{ref}: not there, and {kernel.slug} reads its output", push)
        *_, newest = client.kernels.versions_from(slug, state)
        run = client.kernels.run(slug, newest.version)
        if run.status in ("queued", "running"):
            print(f"  {slug}: version {newest.version} runs; {kernel.slug} reads its output", flush=True)
            run, _ = wait_for_run(target, slug, newest.version)
        if run.status != "complete":
            raise RunError(
                f"{ref} version {newest.version} failed, and {kernel.slug} would read the output of an older one", push
            )
        found.append(f"{slug} {newest.version}")
    return found
