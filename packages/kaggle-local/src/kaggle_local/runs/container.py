"""Kaggle's real image in a container engine: podman or docker, instead of the sandbox.

A kernel then runs with all that the image holds, at the cost of fetching it. There is no network but a loopback, the
inputs are read-only, no capability is left, and the engine bounds memory and processes. The time and the output are
watched as in the sandbox. Files that a kernel leaves outside of /kaggle/working lie in the container, and go with it.
"""

import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kaggle_local.errors import ImageError, SandboxError
from kaggle_local.runs.limits import RunLimits, Watch
from kaggle_local.runs.sandbox import WORKING, Mount

# The options that show a container the host's GPUs, by engine.
_GPUS = {"podman": ["--device", "nvidia.com/gpu=all"], "docker": ["--gpus", "all"]}

ENGINES = tuple(_GPUS)
"""The engines that are known."""

# Marks containers, so that those of a server that was killed are found.
_LABEL = "kaggle-local"
# Kaggle's images are about as large (the layers of gcr.io/kaggle-images/python, compressed).
_TO_FETCH_GB = 12
# A process that was killed, as when the control group has no more memory.
_KILLED = 137
# Variables of a command line tool: where it finds programs, its settings and its storage.
_VARIABLES = (
    *("PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
    *("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "DOCKER_CONFIG", "DOCKER_HOST"),
)


@dataclass(frozen=True, kw_only=True)
class Container:
    """An engine, and an image for it.

    Attributes:
        engine: the program, one of `ENGINES`.
        reference: the image by its digest.
        owner: of the containers, such as a storage's path.
    """

    engine: str
    reference: str
    owner: str

    @cached_property
    def program(self) -> list[str]:
        """The engine's command.

        Raises:
            SandboxError: the engine is not installed.
        """
        path = shutil.which(self.engine)
        if path is None:
            raise SandboxError(
                f"{self.engine}: not found", f"Install it, or leave engine={self.engine} out to use the sandbox."
            )
        # crun refuses hybrid control groups; runc does not.
        is_hybrid = Path("/sys/fs/cgroup/unified").is_dir()
        runc = ["--runtime", "runc"] if self.engine == "podman" and is_hybrid and shutil.which("runc") else []
        return [path, *runc]

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables for the engine's command."""
        return {name: os.environ[name] for name in _VARIABLES if name in os.environ}

    def fetch(self) -> None:
        """Fetch the image unless it is there; its size stands before the engine's progress.

        Raises:
            ImageError: no image is named, or the engine cannot fetch it.
            SandboxError: the engine is not installed.
        """
        if not self.reference:
            raise ImageError(
                f"engine={self.engine}: the manifest has no docker-image",
                f"Use an image whose manifest has one, or leave engine={self.engine} out to use the sandbox.",
            )
        if self._run("image", "inspect", self.reference).returncode == 0:
            return
        print(f"fetching {self.reference}: about {_TO_FETCH_GB} GB, once", file=sys.stderr, flush=True)
        command = [*self.program, "pull", self.reference]
        # The engine's own progress, where a person watches.
        watched = sys.stderr.isatty()
        streams = None if watched else subprocess.PIPE
        done = subprocess.run(
            command, env=self.environment, stdout=streams, stderr=streams, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            reason = "see above" if watched else (done.stderr or "").strip().splitlines()[-1:]
            raise ImageError(
                f"{self.engine} cannot fetch {self.reference}: {''.join(reason)}",
                "Check the network, the free space, and that the image is public.",
            )

    def command(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        mounts: Sequence[Mount],
        writable: Sequence[Mount],
        environment: Mapping[str, str],
        memory_bytes: int,
        processes: int,
        gpu: bool,
    ) -> list[str]:
        """Return the command that runs the image's Python with ``arguments`` in a new container.

        Args:
            name: of the container.
            arguments: for the interpreter.
            mounts: seen read-only.
            writable: seen as they are, and written to.
            environment: variables beyond those of the image.
            memory_bytes: how much memory it may use, files in memory included.
            processes: how many processes and threads it may have.
            gpu: whether it sees the GPUs of the host.
        """
        command = [*self.program, "run", "--pull", "never", "--name", name, "--label", f"{_LABEL}={self.owner}"]
        command += ["--network", "none", "--hostname", "kaggle"]
        command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        memory = f"{memory_bytes}b"
        command += ["--memory", memory, "--memory-swap", memory, "--shm-size", memory]
        command += ["--pids-limit", str(processes)]
        # The engines' own defaults can be above what this process may ask for.
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        command += ["--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={processes}:{processes}"]
        for mount in mounts:
            command += ["--mount", _mount(mount, "readonly")]
        for mount in writable:
            command += ["--mount", _mount(mount)]
        if gpu and Path("/dev/nvidiactl").exists():
            command += _GPUS[self.engine]
        for variable, value in environment.items():
            command += ["--env", f"{variable}={value}"]
        return [*command, "--workdir", WORKING, "--entrypoint", "python3", self.reference, *arguments]

    def was_started(self, name: str) -> bool:
        """Tell whether a container was started."""
        found = self._run("container", "inspect", "--format", "{{json .State}}", name)
        try:
            return not str(json.loads(found.stdout)["StartedAt"]).startswith("0001-")
        except (ValueError, KeyError, TypeError):
            return False

    def kill(self, name: str) -> None:
        """End a container, if it runs."""
        self._run("kill", name)

    def remove(self, name: str) -> None:
        """End a container, if it runs, and delete it."""
        # Deleting alone would first ask it to end, and wait.
        self.kill(name)
        self._run("rm", "--force", "--volumes", name)

    def remove_leftovers(self) -> None:
        """Delete the containers of a server that was killed."""
        for name in self._run("ps", "--all", "--quiet", "--filter", f"label={_LABEL}={self.owner}").stdout.split():
            self.remove(name)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self.program, *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, errors="replace", check=False
        )


def _mount(mount: Mount, *options: str) -> str:
    """Return a mount as the engines read it: CSV, so that a path may have a comma in it."""
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}", *options]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


@dataclass(frozen=True, kw_only=True)
class ContainerProcess:
    """A process in a container; see `kaggle_local.runs.isolation.Process`."""

    container: Container
    name: str
    command: list[str]
    inherited: Sequence[int] = ()
    kept_by_system: Sequence[str] = field(default=("memory_bytes", "processes"))

    @property
    def environment(self) -> Mapping[str, str]:
        """See `Process`."""
        return self.container.environment

    def watch(self, pid: int, limits: RunLimits, folders: Sequence[Path]) -> Watch:
        """See `Process`; the command is not the parent of the container's processes."""
        del pid
        return Watch(limits, folders)

    def end(self) -> None:
        """See `Process`."""
        self.container.kill(self.name)

    def was_started(self) -> bool:
        """See `Process`."""
        return self.container.was_started(self.name)

    def ran_out_of_memory(self, code: int) -> bool:
        """See `Process`; the engines report it on some systems only."""
        return code == _KILLED
