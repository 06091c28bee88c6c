"""Who does the work: the cores of this computer, or any `concurrent.futures.Executor`.

Each task goes to one process, which answers with a result or with why there is none. The end of a
process costs its task only, and that is tried once more.
"""

import multiprocessing
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sbrtcheck.batch.process import prepare
from sbrtcheck.batch.work import Failed, passing_fault

if TYPE_CHECKING:
    from pebble import ProcessPool

__all__ = ["ExecutorRunner", "LocalRunner", "Runner"]

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 2  # a process may have been ended for what another plan did
POLL_SECONDS = 0.5
START_SECONDS = 60.0  # what another computer may need before a task begins


@dataclass(slots=True)
class _Job(Generic[T]):
    task: T
    seconds: float
    attempts: int = 0
    began: float = 0.0


def _one(_task: object) -> int:
    return 1


class Runner(ABC):
    """Does tasks, `slots` at once, in any order; `shares_disk` if its processes write where we do."""

    shares_disk: bool

    def __init__(self, slots: int) -> None:
        self.slots = slots

    def run(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        seconds: float,
        weight: Callable[[T], int] = _one,
    ) -> Iterator[tuple[T, R | Failed]]:
        """Yield each task with its answer as it comes.

        `seconds` is the longest one may take, times its weight.
        """
        waiting = deque(_Job(task, seconds * weight(task)) for task in tasks)
        running: dict[Future[Any], _Job[T]] = {}
        while waiting or running:
            for _ in range(min(len(waiting), self.slots - len(running))):
                job = waiting.popleft()
                job.attempts += 1
                job.began = time.monotonic()
                running[self._submit(function, job.task, job.seconds)] = job
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                error = _error_of(future)
                self._release(future, error)
                lost = self._is_lost(error)
                if lost and job.attempts < ATTEMPTS:
                    waiting.appendleft(job)
                else:
                    yield job.task, _answer(future, error, job.seconds, lost=lost)
            for future in self._overdue(running):
                job = running.pop(future)
                self._give_up(future)
                yield job.task, _too_long(job.seconds)

    def _overdue(self, running: Mapping[Future[Any], _Job[T]]) -> list[Future[Any]]:
        """Return what is waited for no longer."""
        return [
            future
            for future, job in running.items()
            if self._is_overdue(job.began, job.seconds)
        ]

    @abstractmethod
    def _submit(
        self, function: Callable[[T], R], task: T, seconds: float
    ) -> Future[Any]:
        """Begin a task."""

    @abstractmethod
    def _is_lost(self, error: BaseException | None) -> bool:
        """Tell whether the process ended, rather than the task."""

    def _release(self, future: Future[Any], error: BaseException | None) -> None:  # noqa: B027
        """Take the process of a task back."""

    def _is_overdue(self, began: float, seconds: float) -> bool:  # noqa: ARG002 - a hook
        """Tell whether to wait no longer for a task."""
        return False

    def _give_up(self, future: Future[Any]) -> None:  # noqa: B027
        """Do without the answer of a task."""

    @abstractmethod
    def close(self) -> None:
        """End all processes that are ours."""


def _error_of(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _answer(
    future: Future[R], error: BaseException | None, seconds: float, *, lost: bool
) -> R | Failed:
    if error is None:
        return future.result()
    if isinstance(error, TimeoutError):
        return _too_long(seconds)
    if not lost:
        passing = passing_fault(error)
        if passing is not None:
            return Failed(passing)
        return Failed(f"internal error, a bug in sbrtcheck ({type(error).__name__})")
    why = _end_of(error)
    return Failed(f"the process that worked on it ended unexpectedly, twice ({why})")


def _end_of(error: BaseException) -> str:
    """Say how a process ended."""
    code = getattr(error, "exitcode", None)
    if code is None:
        return type(error).__name__
    if code < 0:
        return f"signal {-code}"
    return f"exit code {code}"


def _too_long(seconds: float) -> Failed:
    return Failed(f"it took longer than {seconds:g} s")


class LocalRunner(Runner):
    """One pool of a single process for each core: what ends one cannot reach another."""

    shares_disk = True

    def __init__(self, slots: int, *, memory_bytes: int) -> None:
        super().__init__(slots)
        self._memory_bytes = memory_bytes
        self._idle: list[ProcessPool] = []
        self._busy: dict[Future[Any], ProcessPool] = {}

    def _submit(
        self, function: Callable[[T], R], task: T, seconds: float
    ) -> Future[Any]:
        while True:
            pool = self._idle.pop() if self._idle else self._new_pool()
            try:
                future: Future[Any] = pool.schedule(
                    function, args=(task,), timeout=seconds
                )
            except RuntimeError:  # its process ended while it waited
                _end(pool)
                continue
            self._busy[future] = pool
            return future

    def _release(self, future: Future[Any], error: BaseException | None) -> None:
        pool = self._busy.pop(future)
        if self._is_lost(error):
            _end(pool)
        else:
            self._idle.append(pool)

    def _is_lost(self, error: BaseException | None) -> bool:
        from pebble import ProcessExpired

        # ProcessExpired is an OSError; others are of the task, which says what they are.
        return isinstance(error, ProcessExpired | BrokenExecutor)

    def _new_pool(self) -> "ProcessPool":
        from pebble import ProcessPool

        return ProcessPool(
            max_workers=1,
            context=multiprocessing.get_context("spawn"),
            initializer=prepare,
            initargs=(self._memory_bytes,),
        )

    def close(self) -> None:
        """End all processes, whatever they do."""
        for pool in (*self._idle, *self._busy.values()):
            _end(pool)
        self._idle.clear()
        self._busy.clear()


def _end(pool: "ProcessPool") -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


class ExecutorRunner(Runner):
    """The processes of an executor, such as those of a Dask cluster; the executor is the caller's.

    Time is kept here: a task that takes too long is given up, though its process may go on.
    """

    shares_disk = False

    def __init__(self, executor: Executor, slots: int) -> None:
        super().__init__(slots)
        self._executor = executor

    def _submit(
        self,
        function: Callable[[T], R],
        task: T,
        seconds: float,  # noqa: ARG002 - a hook
    ) -> Future[Any]:
        return self._executor.submit(function, task)

    def _is_lost(self, error: BaseException | None) -> bool:
        return error is not None and passing_fault(error) is None

    def _is_overdue(self, began: float, seconds: float) -> bool:
        return time.monotonic() - began > seconds + START_SECONDS

    def _give_up(self, future: Future[Any]) -> None:
        if not future.cancel():
            self.slots = max(self.slots - 1, 1)  # its process still works on it

    def close(self) -> None:
        """Leave the executor as it is."""
