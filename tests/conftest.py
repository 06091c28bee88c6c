"""What tests share: sample cases, a tree of exports and, if present, the real ones."""

from pathlib import Path

import pytest

from exports import export

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


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree of three centres: one plan passes, one has a hot cord, one no dose."""
    folder = tmp_path_factory.mktemp("tree")
    export(folder / "shanghai/a", 1, patient_id="SH-1")
    export(folder / "guangzhou/x/y", 2, patient_id="GZ-1", frame="2", cord_gy=29.5)
    export(folder / "beijing", 3, patient_id="BJ-1", frame="3").dose.unlink()
    return folder
