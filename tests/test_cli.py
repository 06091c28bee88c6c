"""The command line as a user meets it: one sentence for what is wrong, and the right exit code."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders import box, plan, structure_set, uniform_dose, write_case
from sbrtcheck.cli import main

SAMPLES = Path(__file__).parents[1] / "sample_dicom"
PASS_PLAN = SAMPLES / "t8_30gy5_pass" / "RP.dcm"


def run(
    *arguments: object, encoding: str = "utf-8", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, as a user's console would."""
    program = "import sys; from sbrtcheck.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding=encoding,
        env=os.environ | {"PYTHONIOENCODING": encoding} | environment,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("sbrtcheck: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "argument", [PASS_PLAN, PASS_PLAN.parent, PASS_PLAN.with_name("RD.dcm")]
)
def test_plan_folder_and_dose_give_the_same_verdict(argument: Path) -> None:
    done = run(argument, "-q")

    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith("VERDICT: √ PASS")
    assert done.stderr == ""


def test_a_first_word_that_is_a_command_is_one() -> None:
    assert run("check", PASS_PLAN, "-q").stdout == run(PASS_PLAN, "-q").stdout


def test_options_may_stand_before_the_plan() -> None:
    assert run("-q", PASS_PLAN).returncode == 0


@pytest.mark.parametrize(
    ("sample", "options", "code"),
    [
        ("t6_42gy7_cord_fail", [], 1),
        ("t11t12_36gy6_variation", [], 0),
        ("t11t12_36gy6_variation", ["--strict"], 1),
        ("t7_30gy5_no_level_undecided", [], 3),
        ("t7_30gy5_no_level_undecided", ["--levels", "T7"], 0),
        ("t7_30gy5_no_level_undecided", ["--levels", "t7"], 0),
        ("t8_30gy5_wrong_rs", [], 2),
        (
            "t8_30gy5_wrong_rs",
            ["--struct", SAMPLES / "t8_30gy5_wrong_rs" / "RS.dcm"],
            0,
        ),
        ("t8_30gy5_pass", ["--rx", "30Gy/5"], 0),
        ("t8_30gy5_pass", ["--rx", "24Gy/4"], 2),
        ("t8_30gy5_pass", ["--levels", "T9"], 2),
        ("t8_30gy5_pass", ["--alias", "CTV_T8=SpinalCord"], 2),
        ("t8_30gy5_pass", ["--alias", "nonsense"], 2),
        ("t8_30gy5_pass", ["--rx", "lots"], 2),
        ("t8_30gy5_pass", ["--levels", ""], 2),
        ("t8_30gy5_pass", ["--protocol", "absent"], 2),
        ("t8_30gy5_pass", ["--no-such-option"], 2),
    ],
)
def test_exit_codes(sample: str, options: Sequence[object], code: int) -> None:
    done = run(SAMPLES / sample, *options, "-q")

    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_structure_set_given_by_hand_is_a_visible_variation() -> None:
    done = run(
        SAMPLES / "t8_30gy5_wrong_rs",
        "--struct",
        SAMPLES / "t8_30gy5_wrong_rs" / "RS.dcm",
    )

    assert "PASS WITH 1 VARIATION" in done.stdout
    assert "given by hand; the plan names" in done.stdout


def test_json_goes_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"

    shown = run(PASS_PLAN, "--json")
    written = run(PASS_PLAN, "--json", file)

    assert json.loads(shown.stdout)["outcome"] == "PASS"
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(shown.stdout)
    assert "VERDICT" in written.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["verdict.json"]


def test_json_never_takes_the_plan_for_its_file(tmp_path: Path) -> None:
    """`--json plan.dcm` writes to standard output; `--json=plan.dcm` is refused."""
    shutil.copytree(PASS_PLAN.parent, tmp_path / "case")
    target = tmp_path / "case" / "RP.dcm"
    before = target.read_bytes()

    assert json.loads(run("--json", target).stdout)["outcome"] == "PASS"
    assert_refused(run(f"--json={target}", target), "does not end in .json")
    assert target.read_bytes() == before


def test_help_and_version_need_no_plan() -> None:
    assert "Usage" in run("--help").stdout
    assert "--levels" in run("check", "--help").stdout
    assert run("--version").stdout.startswith("sbrtcheck 0.")
    assert run().returncode == 0


def test_help_loads_nothing_heavy() -> None:
    """`--help` answers at once: neither NumPy nor pydicom nor pydantic is imported for it."""
    program = (
        "import sys\nfrom sbrtcheck import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy','scipy','shapely','pydicom','pydantic'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


# --- Bad input ----------------------------------------------------------------------------------


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        digest.update(str(file.relative_to(folder)).encode())
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def edit(file: Path, **elements: object) -> None:
    dataset = pydicom.dcmread(file)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


def test_a_missing_file(tmp_path: Path) -> None:
    assert_refused(run(tmp_path / "absent.dcm"), "absent.dcm: there is no such file")


def test_a_jpeg(tmp_path: Path) -> None:
    file = tmp_path / "scan.jpg"
    file.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 40)

    assert_refused(run(file), "not a DICOM file")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert_refused(run(tmp_path), "holds no RT Plan")


@pytest.mark.parametrize("name", ["RP.dcm", "RS.dcm", "RD.dcm"])
def test_a_truncated_file(tmp_path: Path, name: str) -> None:
    write_case(tmp_path / "case")
    file = tmp_path / "case" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    before = tree_hash(tmp_path)

    assert_refused(run(tmp_path / "case" / "RP.dcm"), "truncated")
    assert tree_hash(tmp_path) == before


def test_a_structure_set_without_contours_is_undecided_or_refused(
    tmp_path: Path,
) -> None:
    write_case(tmp_path / "case", structure_set=structure_set([]))

    done = run(tmp_path / "case")

    assert done.returncode in (2, 3)
    assert "no PTV is drawn" in done.stdout


def test_relative_dose(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    edit(files.dose, DoseUnits="RELATIVE")

    assert_refused(run(tmp_path / "case"), "RELATIVE", "only absolute dose in GY")


def test_an_ion_plan(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    edit(files.plan, SOPClassUID="1.2.840.10008.5.1.4.1.1.481.8")

    assert_refused(run(files.plan), "RT Ion Plan")


def test_oblique_contours_leave_their_target_undecided(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    dataset = pydicom.dcmread(files.structure_set)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = [0, 0, 0, 10, 0, 3.1, 10, 10, 3.1]
    contour.NumberOfContourPoints = 3
    dataset.save_as(files.structure_set)

    done = run(tmp_path / "case", "--json")

    (found,) = (
        f for f in json.loads(done.stdout)["findings"] if f["id"] == "roi.readable"
    )
    assert (found["outcome"], found["subject"]) == ("UNDECIDED", "PTV")
    assert "oblique plane (z spans 3.1 mm)" in found["message"]
    assert done.returncode == 1, "the cord is above its limit, whatever the target is"


def test_a_zero_sized_grid(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    edit(files.dose, Rows=0, PixelData=b"")

    assert_refused(run(tmp_path / "case"))


def test_nan_in_a_decimal_string_leaves_the_cord_undecided(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    dataset = pydicom.dcmread(files.structure_set)
    data = dataset.ROIContourSequence[1].ContourSequence[0]
    words = [str(value) for value in data.ContourData]
    content = files.structure_set.read_bytes()
    old = "\\".join(words[:3]).encode()
    assert content.count(old) >= 1
    files.structure_set.write_bytes(content.replace(old, b"NaN".ljust(len(old)), 1))

    done = run(tmp_path / "case", "--json")

    (found,) = (
        f for f in json.loads(done.stdout)["findings"] if f["id"] == "roi.readable"
    )
    assert (found["outcome"], found["subject"]) == ("UNDECIDED", "SpinalCord")
    assert done.returncode != 0


def test_three_plans_in_one_folder(tmp_path: Path) -> None:
    for number in range(3):
        write_case(tmp_path / "x")
        edit(tmp_path / "x" / "RP.dcm", SOPInstanceUID=f"1.2.3.{number}")
        shutil.move(tmp_path / "x" / "RP.dcm", tmp_path / f"{number}.dcm")

    done = run(tmp_path)

    assert_refused(done, "holds 3 RT Plans")
    assert done.stderr.count("RT Plan 1.2.3.") == 3


def test_errors_hold_no_name_of_the_patient(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    edit(files.dose, PatientID="OTHER-77")

    done = run(files.plan)

    assert_refused(done, "different patients")
    assert not {"Doe", "Jane", "OTHER-77", "P-0815"} & set(
        done.stderr.replace("^", " ").split()
    )


def test_candidates_hold_no_name_of_the_patient(tmp_path: Path) -> None:
    for number in range(2):
        write_case(tmp_path / "x")
        edit(
            tmp_path / "x" / "RP.dcm",
            SOPInstanceUID=f"1.2.3.{number}",
            RTPlanLabel="Doe T8",
        )
        shutil.move(tmp_path / "x" / "RP.dcm", tmp_path / f"{number}.dcm")

    done = run(tmp_path)

    assert_refused(done, "RT Plan 1.2.3.0  20260105", "(--phi shows labels)")
    assert "Doe" not in done.stderr


def test_a_plan_in_another_frame_of_reference_than_its_dose(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    edit(files.plan, FrameOfReferenceUID="1.2.3")

    assert_refused(
        run(tmp_path / "case"), "plan and dose have different frames of reference"
    )


def test_a_name_that_is_too_long_for_a_file(tmp_path: Path) -> None:
    assert_refused(run(tmp_path / ("x" * 300)), "not a path of a file or folder")


def test_a_file_that_was_not_typed_is_not_named(tmp_path: Path) -> None:
    files = write_case(tmp_path / "case")
    secret = files.structure_set.rename(files.plan.with_name("Doe_Jane_4711.dcm"))
    secret.write_bytes(secret.read_bytes()[:-100])

    assert "Doe_Jane" not in run(files.plan).stderr
    assert "Doe_Jane" in run(files.plan, "--phi").stderr


# --- Consoles and paths -------------------------------------------------------------------------


def test_a_gbk_console_with_chinese_paths_and_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "患者 计划 (副本)"
    shutil.copytree(SAMPLES / "t8_30gy5_chinese_pass", folder)

    done = run(folder / "RP.dcm", "-v", encoding="gbk")

    assert done.returncode == 0
    assert "脊髓" in done.stdout
    assert "√ PASS" in done.stdout
    assert_refused(run(folder / "没有.dcm", encoding="gbk"), "没有.dcm")


def test_a_console_that_cannot_show_a_character_shows_an_escape() -> None:
    done = run(SAMPLES / "t8_30gy5_chinese_pass", encoding="ascii")

    assert done.returncode == 0
    assert "\\u810a\\u9ad3" in done.stdout


def test_a_pipe_gets_plain_text() -> None:
    assert "\x1b" not in run(PASS_PLAN).stdout


def test_a_bug_is_confessed_with_exit_4(tmp_path: Path) -> None:
    program = (
        "import sbrtcheck.checks.judge as c\n"
        "def boom(*a): raise RuntimeError('boom')\n"
        "c.check = boom\n"
        "from sbrtcheck.cli import main\n"
        f"main([{str(PASS_PLAN)!r}])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )

    assert done.returncode == 4
    assert done.stdout == ""
    assert "internal error" in done.stderr
    assert "Traceback" not in done.stderr
    assert "boom" in next(tmp_path.glob("sbrtcheck-*.log")).read_text(encoding="utf-8")


def test_a_cold_cord_passes_end_to_end(tmp_path: Path) -> None:
    """A case made from boxes: 33 Gy in the target, 10 Gy behind it."""
    dose = uniform_dose(33.0)
    values = np.where(dose.y_mm[None, :, None] > 14, 10.0, 33.0) + 0 * dose.dose_gy
    from dataclasses import replace

    write_case(
        tmp_path / "case",
        plan=plan(30.0, 5),
        structure_set=structure_set(
            [
                box("PTV_T8", (-12, -12, -12), (12, 12, 12), spacing_mm=2.0),
                box("SpinalCord", (-4, 20, -30), (4, 28, 30), spacing_mm=2.0),
            ]
        ),
        dose=replace(dose, dose_gy=values),
    )

    done = run(tmp_path / "case", "--json")

    cord = next(
        f for f in json.loads(done.stdout)["findings"] if f["id"] == "limit.cord"
    )
    assert cord["value"] == pytest.approx(
        10.0, abs=33 / 65535
    )  # half a step of 16 bits, twice
    assert done.returncode == 3, "the 4 mm grid of this case is too coarse for a cord"


@pytest.mark.parametrize("rx", [f"{'9' * 5000}Gy/5", f"30Gy/{'9' * 5000}"])
def test_a_prescription_of_thousands_of_digits_is_refused(rx: str) -> None:
    assert_refused(run(SAMPLES / "t8_30gy5_pass", "--rx", rx), "is not a prescription")


def test_too_little_memory_is_said_and_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sbrtcheck.dossier.open_case", full)

    with pytest.raises(SystemExit) as ended:
        main([str(SAMPLES / "t8_30gy5_pass")])

    assert ended.value.code == 2
    assert "not enough memory" in capsys.readouterr().err
