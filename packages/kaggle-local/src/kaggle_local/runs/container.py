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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kaggle_local.errors import ImageError, SandboxError
from kaggle_local.runs.limits import RunLimits, Watch
from kaggle_local.runs.sandbox import WORKING, Mount

# The options that show a container the host's GPUs, by engine.
_GPUS = {"podman": ["--device", "nvidia.com/gpu=all"], "docker": ["--gpus", "all"]}

# Marks containers, so that those of a server that was killed are found.
_LABEL = "kaggle-local"
# Kaggle's images are about as large, compressed.
_TO_FETCH_GB = 12
# Sessions with a GPU name the registry that Kaggle builds in; the same images are public in the other
# (Kaggle/docker-python, README.md).
_PUBLIC = ("gcr.io/kaggle-private-byod/", "gcr.io/kaggle-gpu-images/")
# podman would hand the host's proxies to a container.
_ENGINE_OPTIONS = {"podman": ["--http-proxy=false"], "docker": []}
# The exit code of a process that SIGKILL ended. The system sends it when the control group has no memory left.
_KILLED = 137
# Variables of a command line tool: where it finds programs, its settings and its storage.
_VARIABLES = (
    *("PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
    *("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "DOCKER_CONFIG", "DOCKER_HOST"),
)
# The variables of a download.
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")


@dataclass(frozen=True, kw_only=True)
class Container:
    """An engine, and an image for it.

    Attributes:
        engine: the program, podman or docker.
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
            SandboxError: the engine is not installed, or this user cannot have it run kernels.
        """
        path = shutil.which(self.engine)
        if path is None:
            raise SandboxError(
                f"{self.engine}: not found", f"Install it, or leave engine={self.engine} out to use the sandbox."
            )
        if self.engine == "docker" and os.getuid() != 0:
            # Its containers are root's, and so are the files that they leave.
            raise SandboxError("docker: kernels would leave files of root", "Use engine=podman, or run this as root.")
        # crun refuses hybrid control groups; runc does not.
        is_hybrid = Path("/sys/fs/cgroup/unified").is_dir()
        runc = ["--runtime", "runc"] if self.engine == "podman" and is_hybrid and shutil.which("runc") else []
        return [path, *runc]

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables for the engine's command."""
        return {name: os.environ[name] for name in _VARIABLES if name in os.environ}

    @property
    def _places(self) -> list[str]:
        """The references under which the image may be had."""
        return list(dict.fromkeys([self.reference, self.reference.replace(*_PUBLIC)]))

    def fetch(self) -> None:
        """Fetch the image unless it is there; its size stands before the engine's progress.

        Raises:
            ImageError: no image is named, or the engine cannot fetch it.
            SandboxError: the engine cannot be used.
        """
        if not self.reference:
            raise ImageError(
                f"engine={self.engine}: the manifest has no docker-image",
                f"Use an image whose manifest has one, or leave engine={self.engine} out to use the sandbox.",
            )
        if self._present() is not None:
            return
        place = self._places[-1]
        print(f"fetching {place}: about {_TO_FETCH_GB} GB, once", file=sys.stderr, flush=True)
        # The engine's own progress, where a person watches.
        watched = sys.stderr.isatty()
        streams = None if watched else subprocess.PIPE
        settings = {name: os.environ[name] for name in _NETWORK if name in os.environ}
        done = subprocess.run(
            [*self.program, "pull", place],
            env={**self.environment, **settings},
            stdout=streams,
            stderr=streams,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            reason = "see above" if watched else _last_line(done.stderr)
            raise ImageError(
                f"{self.engine} cannot fetch {place}: {reason}",
                "Check the network, the free space, and that the image is public.",
            )

    def _present(self) -> str | None:
        """Return the reference under which the engine has the image; None if it has not."""
        for place in self._places:
            if self._run("image", "inspect", place).returncode == 0:
                return place
        return None

    def create(
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
        network: bool,
    ) -> list[str]:
        """Create a container; return the command that runs the image's Python with ``arguments`` in it.

        Args:
            name: of the container.
            arguments: for the interpreter.
            mounts: seen read-only.
            writable: seen as they are, and written to.
            environment: variables beyond those of the image.
            memory_bytes: how much memory it may use, files in memory included.
            processes: how many processes and threads it may have.
            gpu: whether it sees the GPUs of the host.
            network: whether it has the engine's network.

        Raises:
            SandboxError: the engine refuses the container, or cannot keep its limits.
        """
        # The standard input is the kernel's lifeline: it ends with this process, however that ends.
        command = ["create", "--pull", "never", "--interactive", "--name", name, "--label", f"{_LABEL}={self.owner}"]
        if not network:
            command += ["--network", "none"]
        command += ["--hostname", "kaggle", "--log-driver", "none"]
        # Labels of SELinux would hide the mounts.
        command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"]
        command += _ENGINE_OPTIONS[self.engine]
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
        place = self._present() or self.reference
        created = self._run(*command, "--workdir", WORKING, "--entrypoint", "python3", place, *arguments)
        if created.returncode != 0:
            raise SandboxError(
                f"{self.engine} cannot create a container: {_last_line(created.stderr)}",
                "Mend what the message names, then run again.",
            )
        limits = self._inspect(name, "HostConfig")
        if not (limits.get("Memory") and limits.get("PidsLimit")):
            self.remove(name)
            raise SandboxError(
                f"{self.engine} cannot bound the memory and the processes of a kernel here",
                "Use a system with cgroup v2, run this as root, or use the sandbox.",
            )
        return [*self.program, "start", "--attach", "--interactive", name]

    def was_started(self, name: str) -> bool:
        """Tell whether a container was started."""
        return not str(self._inspect(name, "State").get("StartedAt", "0001-")).startswith("0001-")

    def ran_out_of_memory(self, name: str) -> bool:
        """Tell whether a container was ended as it had no more memory, where the engine knows."""
        return bool(self._inspect(name, "State").get("OOMKilled"))

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

    def _inspect(self, name: str, part: str) -> dict[str, Any]:
        found = self._run("container", "inspect", "--format", f"{{{{json .{part}}}}}", name)
        try:
            return dict(json.loads(found.stdout))
        except (ValueError, TypeError):
            return {}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self.program, *arguments]
        return subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


def _last_line(output: str | None) -> str:
    return "".join((output or "").strip().splitlines()[-1:])


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
    kept_by_system: Sequence[str] = ("memory_bytes", "processes")
    has_lifeline: bool = True

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
        """See `Process`; where the engine does not know, no other than the system kills the first process."""
        return code == _KILLED or self.container.ran_out_of_memory(self.name)
