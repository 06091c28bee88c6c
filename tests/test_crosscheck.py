"""A second opinion: what differs, what explains it, and that it never is the verdict.

Truth is a box of 24 mm in a dose that rises by 0.5 Gy a mm from 24 to 36 Gy: 13.824 cc, mean 30 Gy,
D95% 24.6 Gy; or dicompyler-core itself, where it is installed.
"""

import json
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pydicom.dicomio
import pytest

from builders import (
    Files,
    box,
    cylinder,
    dvh_of,
    linear_dose,
    structure_set,
    uniform_dose,
    write_case,
)
from sbrtcheck import Verdict, check, compute_band, load_protocol
from sbrtcheck.crosscheck import CrossCheck, Difference, Opinion, cross_check
from sbrtcheck.crosscheck.compare import HERE, Other, compare
from sbrtcheck.crosscheck.voxels import whole_voxels
from sbrtcheck.dicom import former_names
from sbrtcheck.dicom.write import save_dose
from sbrtcheck.dossier import Options, open_case
from sbrtcheck.dvh import DVH
from sbrtcheck.model import ROI, Contour, ExportedDVH, StructureSet, Text
from sbrtcheck.report.as_json import load_schema, render_json
from sbrtcheck.report.text import Page, render_text
from test_cli import SAMPLES, run

PROTOCOL = load_protocol("nct06756087")
PTV = box("PTV_T8", (-12, -12, -12), (12, 12, 12))
CORD = cylinder("SpinalCord", (0, 24), 5, -30, 30)
RISING = linear_dose(30.0, (0.5, 0.0, 0.0))
CC, LOW_GY, HIGH_GY = 13.824, 24.0, 36.0
BINS, WIDTH_GY = 400, 0.1
PTV_NUMBER = 1


def curve(shift_gy: float = 0.0, *, volume_cc: float = CC) -> ExportedDVH:
    """Return the box's own curve in closed form, or one that lies somewhere else."""
    middles_gy = np.linspace(WIDTH_GY / 2, (BINS - 0.5) * WIDTH_GY, BINS)
    share = np.clip((HIGH_GY + shift_gy - middles_gy) / (HIGH_GY - LOW_GY), 0, 1)
    return ExportedDVH(
        bin_widths=np.full(BINS, WIDTH_GY),
        volumes=volume_cc * share,
        included=(PTV_NUMBER,),
    )


def written(
    folder: Path, *dvhs: ExportedDVH, structures: StructureSet | None = None
) -> Files:
    files = write_case(
        folder / "case",
        structure_set=structures or structure_set((PTV, CORD)),
        dose=RISING,
    )
    save_dose(RISING, files.dose, dvhs=dvhs)
    return files


def asked(path: Path, with_plans: Sequence[Path] = ()) -> tuple[Verdict, CrossCheck]:
    with open_case(path, Options(with_plans=tuple(with_plans))) as case:
        verdict = check(case, PROTOCOL)
        return verdict, cross_check(verdict)


def opinion(second: CrossCheck, source: str, roi: str = "PTV_T8") -> Opinion:
    (found,) = (o for o in second.opinions if (o.source, o.roi_name) == (source, roi))
    return found


def by_metric(found: Opinion) -> Mapping[str, Difference]:
    return {str(row.metric): row for row in found.differences}


def of_planning_system(folder: Path, *dvhs: ExportedDVH) -> Opinion:
    return opinion(asked(written(folder, *dvhs).plan)[1], "planning system")


# --- The planning system ------------------------------------------------------------------------


def test_a_curve_of_the_same_contours_and_dose_is_explained(tmp_path: Path) -> None:
    rows = by_metric(of_planning_system(tmp_path, curve()))

    assert list(rows) == ["volume", "Dmean", "D95%", "D0.035cc", "D2cc"]
    assert rows["volume"].theirs == pytest.approx(CC)
    assert rows["D95%"].theirs == pytest.approx(24.6, abs=WIDTH_GY / 2)
    assert [row.beyond for row in rows.values()] == [0.0] * 5


def test_a_curve_of_another_dose_is_beyond_by_what_no_reading_explains(
    tmp_path: Path,
) -> None:
    """2 Gy more: what is beyond is 2 Gy less our interval and half a bin."""
    row = by_metric(of_planning_system(tmp_path, curve(2.0)))["Dmean"]

    assert row.difference == pytest.approx(2.0, abs=0.02)
    assert row.beyond is not None
    assert row.ours.high is not None
    assert row.theirs is not None
    assert row.beyond == pytest.approx(
        row.theirs - row.ours.high - WIDTH_GY / 2, abs=1e-3
    )
    assert row.beyond > 1


def test_the_reading_that_comes_nearest_is_named(tmp_path: Path) -> None:
    """Without end caps the box is one slab of eight shorter: 7/8 of its volume."""
    row = by_metric(of_planning_system(tmp_path, curve(volume_cc=CC * 7 / 8)))["volume"]

    assert (row.nearest, row.beyond) == ("no end caps", 0.0)


def test_a_curve_of_less_than_the_roi_says_so(tmp_path: Path) -> None:
    found = of_planning_system(tmp_path, curve(volume_cc=CC / 2))

    beyond = by_metric(found)["volume"].beyond
    assert beyond is not None
    assert beyond < 0
    assert "less than the whole ROI" in str(found.notes[-1])


def test_a_percent_curve_says_nothing_of_the_volume(tmp_path: Path) -> None:
    percent = replace(curve(volume_cc=100.0), volume_units="PERCENT")

    rows = by_metric(of_planning_system(tmp_path, percent))

    assert rows["volume"].theirs is None
    assert str(rows["volume"].reason) == "its volumes are in percent"
    assert rows["Dmean"].beyond == 0.0


def test_what_is_not_understood_is_not_comparable(tmp_path: Path) -> None:
    found = of_planning_system(tmp_path, replace(curve(), volume_units="PER_U"))

    assert str(found.reason) == "not comparable: its volumes are in units of 'PER_U'"
    assert found.differences == ()


def test_a_cumulative_curve_is_preferred_to_one_that_is_not_understood(
    tmp_path: Path,
) -> None:
    natural = replace(curve(), kind="NATURAL")

    assert of_planning_system(tmp_path, natural, curve()).differences


def test_an_roi_without_a_curve_says_so(tmp_path: Path) -> None:
    second = asked(written(tmp_path, curve()).plan)[1]

    why = opinion(second, "planning system", "SpinalCord").reason
    assert str(why) == "the RT Dose carries no DVH of it"


def notes_of(second: CrossCheck) -> str:
    return " | ".join(map(str, second.notes))


def test_a_dose_without_curves_says_so(tmp_path: Path) -> None:
    assert "carries no DVH" in notes_of(asked(written(tmp_path).plan)[1])


def test_curves_of_another_structure_set_are_not_compared(tmp_path: Path) -> None:
    """ROI number 1 of another structure set may be anything."""
    files = written(tmp_path, curve())
    dataset = pydicom.dcmread(files.dose)
    dataset.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    dataset.save_as(files.dose)

    second = asked(files.plan)[1]

    assert "of another structure set" in notes_of(second)
    assert all(o.source != "planning system" for o in second.opinions)


def test_damaged_curves_stop_nothing(tmp_path: Path) -> None:
    files = written(tmp_path, replace(curve(), dose_scaling=0.125))
    files.dose.write_bytes(files.dose.read_bytes().replace(b"0.125", b"0,125"))

    verdict, second = asked(files.plan)

    assert "cannot be read: " in notes_of(second)
    assert verdict.findings


# --- What is compared ---------------------------------------------------------------------------


def test_what_is_made_here_is_not_compared(tmp_path: Path) -> None:
    """The PRV does not hold the cord: one of cord + 2 mm, which lies in no file, is graded beside it."""
    narrow = cylinder("SpinalCord_PRV", (0, 24), 3, -30, 30)
    second = asked(
        written(tmp_path, structures=structure_set((PTV, CORD, narrow))).plan
    )[1]

    assert "SpinalCord_PRV (SpinalCord + 2 mm) is not compared" in notes_of(second)


def test_a_sum_of_doses_is_not_compared() -> None:
    pair = (
        SAMPLES / "pair_sum_fail_t7" / "RP.dcm",
        SAMPLES / "pair_sum_fail_t8" / "RP.dcm",
    )

    second = asked(pair[0], with_plans=[pair[1]])[1]

    assert notes_of(second) == "not compared: the dose is a sum"
    assert second.opinions == ()


def test_beam_doses_that_add_up_are_a_sum(tmp_path: Path) -> None:
    files = written(tmp_path)
    with open_case(files.plan, Options()) as case:
        (dose_link,) = case.links_of("RT Dose")
        two = replace(case, links=(*case.links, dose_link))
        second = cross_check(check(two, PROTOCOL))

    assert notes_of(second) == "not compared: the dose is a sum"


def test_a_case_without_files_says_so(tmp_path: Path) -> None:
    with open_case(written(tmp_path).plan, Options()) as case:
        links = tuple(replace(link, path=None) for link in case.links)
        second = cross_check(check(replace(case, links=links), PROTOCOL))

    assert notes_of(second) == "not compared: the case was not read from files"


def test_an_archive_is_compared_while_it_is_open(tmp_path: Path) -> None:
    files = written(tmp_path / "case", curve())
    with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
        for file in files:
            archive.write(file, file.name)

    second = asked(tmp_path / "case.zip")[1]

    assert opinion(second, "planning system").differences


# --- dicompyler-core ----------------------------------------------------------------------------


def ring(half_mm: float, z_mm: float, centre: float = 0.3) -> Contour:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half_mm + centre
    return Contour(points_mm=corners, z_mm=z_mm)


def pipe(name: str, heights: np.ndarray) -> ROI:
    rings = [ring(half, float(z)) for z in heights for half in (13.1, 6.2)]
    return ROI(name=name, contours=tuple(rings), plane_spacing_mm=3.0)


def test_whole_voxels_are_counted_as_grid_points_inside() -> None:
    """Squares of 26.2 and 12.4 mm on a 4 mm grid hold 7 x 7 and 3 x 3 points: 40 between them."""
    dvh = whole_voxels(pipe("pipe", np.array([-3.0, 0.0, 3.0])), uniform_dose(20.0))

    assert dvh is not None
    assert dvh.volume_cc == pytest.approx(3 * (49 - 9) * 4 * 4 * 3 / 1000)
    assert dvh.mean_gy == pytest.approx(20.0)


@pytest.mark.parametrize("heights", [[0.0], [-60.0, 0.0]])
def test_a_single_plane_or_one_beyond_the_grid_has_no_whole_voxels(
    heights: list[float],
) -> None:
    assert whole_voxels(pipe("pipe", np.array(heights)), uniform_dose()) is None


def test_dicompyler_core_is_explained_by_whole_voxels(tmp_path: Path) -> None:
    """A PTV with a hole, planes between those of the grid: its numbers are those of our reading."""
    pytest.importorskip("dicompylercore")
    hollow = pipe("PTV_T8", np.arange(-11.2, 12.0, 2.8))
    files = written(tmp_path, structures=structure_set((hollow, CORD)))

    second = asked(files.plan)[1]
    voxels = whole_voxels(hollow, RISING)

    found = by_metric(opinion(second, "dicompyler-core"))
    assert voxels is not None
    assert found["volume"].theirs == pytest.approx(voxels.volume_cc)
    assert found["Dmean"].theirs == pytest.approx(voxels.mean_gy, abs=0.01)  # its bins
    assert [row.beyond for row in found.values()] == [0.0] * 5


def test_an_roi_that_leaves_the_grid_is_not_compared_with_it(tmp_path: Path) -> None:
    pytest.importorskip("dicompylercore")
    long = cylinder("SpinalCord", (0, 24), 5, -60, 60)
    files = written(tmp_path, structures=structure_set((PTV, long)))

    why = opinion(asked(files.plan)[1], "dicompyler-core", "SpinalCord").reason

    assert str(why) == "not comparable: the ROI leaves the dose grid"


def test_where_it_is_not_installed_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dicompylercore", "dicompylercore.dicomparser"):
        monkeypatch.setitem(sys.modules, name, None)

    verdict, second = asked(written(tmp_path, curve()).plan)

    install = 'dicompyler-core is not installed: pip install "sbrtcheck[crosscheck]"'
    assert install in notes_of(second)
    assert install in render_text(verdict, Page(), second=second)
    assert opinion(second, "planning system").differences


def test_where_it_breaks_on_an_roi_that_is_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvhcalc = pytest.importorskip("dicompylercore.dvhcalc")

    def broken(*_: object) -> None:
        raise IndexError(str(tmp_path))

    monkeypatch.setattr(dvhcalc, "get_dvh", broken)

    second = asked(written(tmp_path).plan)[1]

    why = str(opinion(second, "dicompyler-core").reason)
    assert why == "no answer: it ended with IndexError"


def test_the_former_name_is_lent_and_taken_away() -> None:
    def lend_and_fail() -> None:
        with former_names():
            assert pydicom.dicomio.read_file is pydicom.dcmread  # type: ignore[attr-defined]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lend_and_fail()

    assert not hasattr(pydicom.dicomio, "read_file")


def test_its_import_leaves_pydicom_as_it_was(tmp_path: Path) -> None:
    asked(written(tmp_path).plan)

    assert not hasattr(pydicom.dicomio, "read_file")


# --- Never the verdict --------------------------------------------------------------------------


def test_a_bug_in_the_second_opinion_does_not_stop_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sbrtcheck.crosscheck import opinions

    def broken(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(opinions, "compute_band", broken)

    assert "a bug in sbrtcheck" in notes_of(asked(written(tmp_path).plan)[1])


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        ("t8_30gy5_pass", 0),
        ("t6_42gy7_cord_fail", 1),
        ("t10_30gy5_no_cord_undecided", 3),
    ],
)
def test_it_moves_no_finding_no_outcome_and_no_exit_code(
    sample: str, code: int
) -> None:
    """But for its own key, the JSON is the same."""
    plain, more = (
        run(SAMPLES / sample, "--json"),
        run(SAMPLES / sample, "--json", "--crosscheck"),
    )

    document = json.loads(more.stdout)
    jsonschema.validate(document, load_schema())
    del document["crosscheck"]
    assert document == json.loads(plain.stdout)
    assert (plain.returncode, more.returncode) == (code, code)
    assert more.stderr == ""


def test_a_contradicting_planning_system_moves_nothing_either(tmp_path: Path) -> None:
    """Its curve says 20 Gy less in the target: a warning, and the verdict that was there before."""
    before = run(written(tmp_path).plan, "--json")
    files = written(tmp_path, curve(-20.0))
    plain, more = run(files.plan, "-q"), run(files.plan, "--crosscheck")

    assert (before.returncode, plain.returncode) == (more.returncode, more.returncode)
    assert plain.stdout.splitlines()[0] in more.stdout
    assert "warning: PTV_T8, planning system: Dmean" in more.stdout


# --- The page and the JSON ----------------------------------------------------------------------


def test_the_page_shows_differences_and_what_they_come_to(tmp_path: Path) -> None:
    verdict, second = asked(written(tmp_path, curve(2.0)).plan)

    page = render_text(verdict, Page(), second=second)

    assert page.index("Checks") < page.index("Second opinion (never the verdict)")
    assert page.index("Second opinion (never the verdict)") < page.index("Not checked")
    row = next(
        line for line in page.splitlines() if re.match("PTV_T8 +planning system", line)
    )
    assert "+2.00" in row
    assert "beyond" in row
    assert "-0.00" not in page
    assert render_text(verdict, Page(ascii=True), second=second).isascii()


def test_nothing_of_it_is_shown_unasked_or_with_q(tmp_path: Path) -> None:
    verdict, second = asked(written(tmp_path, curve()).plan)

    assert "Second opinion" not in render_text(verdict, Page())
    assert "Second opinion" not in render_text(verdict, Page(quiet=True), second=second)
    assert "crosscheck" not in json.loads(render_json(verdict))


def test_the_verbose_page_names_the_nearest_readings(tmp_path: Path) -> None:
    verdict, second = asked(written(tmp_path, curve(volume_cc=CC * 7 / 8)).plan)

    page = render_text(verdict, Page(verbose=True), second=second)

    assert re.search("nearest reading: no end caps", page)


def test_names_are_masked_and_escaped(tmp_path: Path) -> None:
    verdict, second = asked(written(tmp_path).plan)
    named = Opinion(
        source="planning system",
        roi_name="Doe\x1b[2J",
        reason=Text("of {name}", name="Jane\x1b"),
    )
    odd = replace(
        second, opinions=(named,), notes=(Text("{roi} is made", roi="doe\x07"),)
    )

    for text in (
        render_text(verdict, Page(), second=odd),
        render_json(verdict, second=odd),
    ):
        assert "***" in text
        assert not re.search("doe|jane", text.casefold())
        assert not set(text) & {"\x1b", "\x07"}


def test_json_tells_each_difference(tmp_path: Path) -> None:
    verdict, second = asked(written(tmp_path, curve(2.0)).plan)

    document = json.loads(render_json(verdict, second=second))["crosscheck"]

    assert document["unexplained"] == second.unexplained > 0
    theirs = next(o for o in document["opinions"] if o["source"] == "planning system")
    mean = next(row for row in theirs["differences"] if row["metric"] == "Dmean")
    assert mean["other"] - mean["value"] == pytest.approx(mean["difference"])
    assert 0 < mean["beyond"] < mean["difference"]


# --- Arithmetic ---------------------------------------------------------------------------------


def test_our_own_curve_differs_by_nothing() -> None:
    band = compute_band(CORD, RISING)

    rows = compare(band, Other(dvh=dvh_of(CORD, RISING)))

    assert [row.difference for row in rows] == [0.0] * 5
    assert {row.nearest for row in rows} == {HERE}


def test_an_roi_too_small_for_2_cc_is_not_compared_in_it() -> None:
    """Lesson 3: no answer is not 0 Gy."""
    small = box("small", (0, 0, 0), (9, 9, 9))

    row = compare(compute_band(small, RISING), Other(dvh=dvh_of(small, RISING)))[-1]

    assert (row.theirs, row.difference, row.beyond) == (None, None, None)
    assert "less than the 2 cc asked for" in str(row.reason)


def test_an_roi_of_theirs_too_small_for_2_cc_says_whose_it_is() -> None:
    band = compute_band(PTV, RISING)
    little = DVH(
        roi_name="PTV_T8",
        volume_cc=1.0,
        volume_outside_cc=0.0,
        dose_gy=np.array([0.0, 30.0, 31.0]),
        volume_cc_at_dose=np.array([1.0, 1.0, 0.0]),
        min_gy=30.0,
        max_gy=31.0,
        mean_gy=30.5,
    )

    row = compare(band, Other(dvh=little))[-1]

    assert row.theirs is None
    assert "1 cc" in str(row.reason)
