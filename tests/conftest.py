"""What tests share: sample cases, a tree of exports and, if present, the real ones."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

import sentences
from exports import export

ROOT = Path(__file__).parents[1]


# --- Every sentence is reached ------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sentences",
        action="store_true",
        help="fail where a sentence that the code can say is reached by no test",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch this process, and each command that a test starts."""
    if not config.getoption("--sentences"):
        return
    sentences.watch()
    if not hasattr(config, "workerinput"):
        os.environ["SENTENCES"] = tempfile.mkdtemp(prefix="sentences-")
        watched = str(ROOT / "tests" / "watched")
        before = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (watched, before)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--sentences"):
        return
    if hasattr(session.config, "workerinput"):
        sentences.keep()
        return
    place = Path(os.environ["SENTENCES"])
    for kept in place.glob("*.json"):
        found = json.loads(kept.read_text(encoding="utf-8"))
        sentences.reached.update(found["reached"])
        sentences.said.update(found["said"])
    shutil.rmtree(place)
    missed = sentences.unreached(sentences.reached, sentences.said)
    sys.stdout.writelines(
        f"\nno test reaches {sentence.file}:{sentence.first}: {sentence.template}"
        for sentence in missed
    )
    if missed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# --- What tests share ---------------------------------------------------------------------------


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
