"""What tests share: where the sample cases and, if present, the real exports lie."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def samples() -> Path:
    """Return the folder of the sample cases."""
    return ROOT / "sample_dicom"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real exports, which is not part of the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real exports is not beside the project")
    return folder
