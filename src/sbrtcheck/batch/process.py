"""What a process does before its first task. Nothing else is imported here, NumPy least of all."""

import multiprocessing
import os
import threading
from multiprocessing.process import BaseProcess

__all__ = ["prepare"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare(memory_bytes: int) -> None:
    """Compute in one thread, within a bound of memory, and end when the parent process does."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # there is a process for each core
    try:
        import resource
    except ImportError:  # Windows has no such bound
        pass
    else:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        # A limit that the machine sets lower cannot be raised, and bounds enough.
        if most == resource.RLIM_INFINITY or memory_bytes < most:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
