"""Where the real exports lie, which are not part of the project."""

import os
from pathlib import Path

__all__ = ["NOT_BESIDE", "real_data"]

NOT_BESIDE = "not measured: data not beside this checkout"
BESIDE = Path(__file__).parents[2] / "shared" / "data"


def real_data(name: str) -> Path | None:
    """Return a folder of real exports, or None where it is not at hand.

    They are looked for in `shared/data` beside the checkout, or where the environment's
    SBRTCHECK_DATA says.
    """
    folder = Path(os.environ.get("SBRTCHECK_DATA", BESIDE)) / name
    return folder if folder.is_dir() else None
