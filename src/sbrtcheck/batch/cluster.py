"""The processes of an existing Dask cluster, as an executor."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from sbrtcheck import __version__
from sbrtcheck.batch.work import about
from sbrtcheck.errors import CaseError
from sbrtcheck.model import Text

__all__ = ["cluster_executor"]

PATIENCE = "20s"


@contextmanager
def cluster_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Give the executor of a cluster, and how many tasks it can do at once.

    Raises
    ------
    CaseError
        If the extra is not installed, the cluster does not answer, has no workers, or runs
        another version of sbrtcheck.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise CaseError(
            Text("--scheduler needs the extra 'dask': pip install 'sbrtcheck[dask]'")
        ) from error
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CaseError(
            Text("--scheduler: no Dask scheduler answers at {address}", address=address)
        ) from error
    with client:
        threads: dict[str, int] = client.nthreads()  # type: ignore[no-untyped-call]
        if not threads:
            raise CaseError(Text("--scheduler: the cluster has no workers; start some"))
        _require_one_version(client.run(about))
        with client.get_executor(pure=False) as executor:  # type: ignore[no-untyped-call]
            yield executor, sum(threads.values())


def _require_one_version(versions: dict[str, object]) -> None:
    others = sorted({str(version) for version in versions.values()} - {__version__})
    if others:
        raise CaseError(
            Text(
                "--scheduler: the workers run sbrtcheck {others}, this is {own}; install one"
                " version everywhere",
                others=", ".join(others),
                own=__version__,
            )
        )
