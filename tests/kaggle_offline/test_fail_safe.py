"""Whatever Kaggle answers, a command makes no more than it may: two versions of a dataset or kernel, one submission.

A local Kaggle does all that it is asked for, and then its answers are changed by chance into others that are as well
formed: missing notes, other sizes, other numbers, empty lists.
"""

import enum
import random
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.services import METHODS
from kaggle_local.services.rpc import Call, Method
from kaggle_offline.commands.push import push
from kaggle_offline.commands.submit import submit
from kaggle_offline.delivery.target import open_target
from kaggle_offline.kaggle.retries import Patience
from kaggle_offline.reports.result import forget
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kagglesdk.kaggle_object import KaggleObject

from tests.canary import USER
from tests.end_to_end.fault_matrix import PATIENCE as HONEST
from tests.end_to_end.fault_matrix import command, copied, kaggle_of, prepare
from tests.sharing import made_once

PATIENCE = Patience(
    answer=5,
    repeat=0.3,
    first_pause=0.01,
    longest_pause=0.05,
    poll=0.02,
    settle=0.2,
    mount=0.1,
    processing=0.5,
    run=3,
    scoring=1,
    total=20,
)

# Fields that stay: a change would lead to another machine or account, or stop the command before it makes anything.
_KEPT = {"token", "create_url", "url", "username", "active", "user_has_entered", "submissions_disabled"}


FULL = "Maximum batch GPU session count of 2 reached."


class Liar:
    """Changes answers by chance.

    Args:
        seed: of the chance.
        share: of the fields that are changed.
    """

    def __init__(self, seed: int, share: float) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._share = share

    def changed(self, method: Method) -> Method:
        """A method whose answers are changed once they are made."""

        def handle(call: Call, request: Any) -> Any:
            answer = method.handle(call, request)
            if isinstance(answer, KaggleObject):
                self._change(answer)
            return answer

        return Method(method.request, handle)

    def _change(self, answer: KaggleObject) -> None:
        for field in answer._fields:
            name = field.field_name
            if name in _KEPT:
                continue
            value = getattr(answer, name)
            if self._random.random() < self._share:
                setattr(answer, name, self._other(value))
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, KaggleObject):
                    self._change(each)

    def _other(self, value: Any) -> Any:
        others: list[Any] = [value]
        if isinstance(value, bool):
            others = [not value]
        elif isinstance(value, enum.Enum):
            others = list(type(value))
        elif isinstance(value, int):
            others = [0, value + 1, max(0, value - 1), 7, 10**9]
        elif isinstance(value, str):
            others = ["", value[: len(value) // 2], value[:30], f"{value} and more", "sha256:" + "0" * 64, FULL]
        elif isinstance(value, list):
            others = [[], value[:1], value[::-1]]
        elif isinstance(value, datetime):
            others = [value - timedelta(days=1), value - timedelta(days=10_000)]
        return self._random.choice(others)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "scenarios", prepare)


@pytest.fixture
def methods() -> Iterator[dict[str, Method]]:
    """The methods of the API, to be changed until the test ends."""
    before = dict(METHODS)
    yield before
    METHODS.update(before)


def made(local: LocalKaggle) -> dict[str, int]:
    """How many versions and submissions there are."""
    storage = local.storage
    kernel = storage.kernels.get(USER, "small-kernel")
    counts = {
        name: len(storage.resources.versions("dataset", f"{USER}/small-{name}")) for name in ("packages", "models")
    }
    return {
        **counts,
        "kernel": kernel.number if kernel else 0,
        "submissions": len(storage.submissions.of_user("small", USER)),
    }


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.02, 0.1, 0.3, 0.9]),
    scenario=st.sampled_from(["first", "update", "submit"]),
)
def test_the_bounds_hold_whatever_kaggle_answers(
    *, prepared: Path, tmp_path: Path, methods: dict[str, Method], seed: int, share: float, scenario: str
) -> None:
    work = tmp_path / "work"
    shutil.rmtree(work, ignore_errors=True)
    repository = copied(prepared, work, scenario)
    kernel = read_kernel_folder(repository, "small")
    with kaggle_of(work, prepared, repository, populated=scenario != "first") as local:
        liar = Liar(seed, share)
        for verb in (submit,) if scenario == "submit" else (push, submit):
            before = made(local)
            METHODS.update({name: liar.changed(method) for name, method in methods.items()})
            command(kernel, verb, PATIENCE)
            METHODS.update(methods)
            after = made(local)
            for name, most in {"packages": 2, "models": 2, "kernel": 2, "submissions": 1}.items():
                assert after[name] - before[name] <= most, f"{name}: {before} became {after}"
        # With a Kaggle that tells the truth, the same commands finish the work.
        forget(kernel.build, "packages", "models", "kernel", "run", "submission")
        before = made(local)
        with open_target("kaggle", repository, patience=HONEST) as target:
            push(kernel, target)
            submit(kernel, target)
        after = made(local)
        assert after["submissions"] - before["submissions"] <= 1
