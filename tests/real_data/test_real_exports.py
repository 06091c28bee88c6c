"""Real exports of many systems: a right verdict or a clear sentence, never a pass.

No plan among them is allowed by the trial. The folder is not part of the project.
"""

from pathlib import Path

from sbrtcheck import Outcome, SbrtCheckError, check, load_case, load_protocol
from sbrtcheck.model import Declared

PROTOCOL = load_protocol("nct06756087")


def test_no_file_of_any_system_passes_or_breaks_the_line(real_data: Path) -> None:
    """Every RP, RS and RD as argument: a verdict that is no pass, or our own error."""
    files = [
        file
        for file in sorted(real_data.rglob("*.dcm"))
        if "nelms2015/structures" not in file.as_posix() and "CT" not in file.name
    ]
    assert len(files) > 80
    assert not [file for file in files if not is_no_pass(file)]


def is_no_pass(file: Path) -> bool:
    """Tell whether a file gives a verdict that is no pass, or is refused in a sentence."""
    try:
        return check(load_case(file), PROTOCOL).outcome > Outcome.VARIATION
    except SbrtCheckError as error:
        return bool(str(error.problem))


def test_a_declared_prescription_of_another_scheme_is_judged(real_data: Path) -> None:
    """5 x 5.5 Gy stands in the name of a point; declared, it is no allowed scheme."""
    case = load_case(real_data / "pinnacle-brain-srs-5x5.5" / "rtplan.dcm")

    aliases = {"PTV 1mm (off brainstem)": "PTV"}
    verdict = check(case, PROTOCOL, Declared(prescription=(27.5, 5), aliases=aliases))

    assert verdict.trial_outcome is Outcome.FAIL
    coverage = next(f for f in verdict.findings if f.id == "coverage")
    assert coverage.value is not None
    assert coverage.value.value is not None
    assert coverage.value.value > 90, "27.5 Gy covers the PTV of this plan"
