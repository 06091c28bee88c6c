"""From any one file or folder to the dossier of its patient, and to the case of one plan."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sbrtcheck import dicom
from sbrtcheck.dossier.case import Case, Sibling
from sbrtcheck.dossier.dose import BEAM
from sbrtcheck.dossier.find import Found, Survey, find_files, of_class
from sbrtcheck.dossier.link import (
    Choices,
    Dossier,
    Filed,
    Unreadable,
    candidate_rows,
    case_of,
    is_of,
    open_dossier,
    read_files,
    refuse_two_contents,
    require_one_patient,
    sibling_of,
    without_copies,
)
from sbrtcheck.dossier.places import ZIP, Place, Root, around, unpacked
from sbrtcheck.errors import CaseError, ReadError, SbrtCheckError, UnsupportedError
from sbrtcheck.files import is_file, is_folder, is_there
from sbrtcheck.model import StructureSet, Text

__all__ = [
    "Opened",
    "Options",
    "load_case",
    "load_structures",
    "open_case",
    "open_path",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user chose by hand.

    Parameters
    ----------
    structure_set, dose
        A path, or the end of the UID of one of the candidates.
    with_plans
        Other plans of the same course, whose dose is to be added: paths, or ends of UIDs.
    within
        Look at everything below this folder, rather than around the plan.
    """

    structure_set: str | Path | None = None
    dose: str | Path | None = None
    with_plans: tuple[str | Path, ...] = ()
    within: Path | None = None


class Opened(NamedTuple):
    """A path as it was opened: the dossier of its patient, and the plan that it leads to."""

    dossier: Dossier
    plan: Filed
    start: Filed | None = None


def load_case(
    path: str | Path,
    *,
    structure_set: str | Path | None = None,
    dose: str | Path | None = None,
    with_plans: Sequence[str | Path] = (),
    within: str | Path | None = None,
) -> Case:
    """Find and read the plan, structure set and dose that belong together.

    Parameters
    ----------
    path
        An RT Plan, RT Structure Set or RT Dose file, a folder or zip archive holding one plan,
        or a DICOMDIR.
    structure_set, dose
        The file to use where links are missing or ambiguous: a path, or the end of the UID of
        one of the candidates.
    with_plans
        Other plans of the same course that lie elsewhere, whose dose is to be added.
    within
        Look at everything below this folder, rather than at the folders around the plan.

    Raises
    ------
    CaseError
        If files are missing, ambiguous, or of different patients or frames of reference.
    ReadError
        If a file cannot be read; `UnsupportedError` if it is of a kind that is declined.

    Examples
    --------
    >>> from sbrtcheck import load_case
    >>> case = load_case("sample_dicom/t8_30gy5_pass/RP.dcm")
    >>> len(case.structure_set.rois), case.dose.spacing_mm
    (10, (2.0, 2.0, 2.0))
    """
    below = None
    if within is not None:
        below = Path(within)
    options = Options(
        structure_set=structure_set,
        dose=dose,
        with_plans=tuple(with_plans),
        within=below,
    )
    with open_case(path, options) as case:
        return case


@contextmanager
def open_case(path: str | Path, options: Options) -> Iterator[Case]:
    """Load a case as `load_case` does, and keep the files of its links readable meanwhile.

    Those of an archive are unpacked and gone afterwards.
    """
    with open_path(path, options) as opened:
        yield _case(opened, options)


@contextmanager
def open_path(path: str | Path, options: Options) -> Iterator[Opened]:
    """Give the dossier of the patient that a path leads to, and the plan; an archive is unpacked."""
    start = given_path(path)
    if not is_archive(start):
        yield _open(start, options)
        return
    inside = find_files([Root(start)])
    if not inside.found:
        raise _no_plan_in_archive(inside, start)
    with unpacked([found.place for found in inside.found]) as folder:
        try:
            yield _open(folder, replace(options, within=folder))
        except (CaseError, ReadError) as error:
            error.path = start  # the temporary folder is gone when this is read
            raise


def _no_plan_in_archive(inside: Survey, path: Path) -> SbrtCheckError:
    if inside.unread:
        return ReadError(inside.unread[0].reason, path=path)
    return CaseError(
        Text("the archive holds no RT Plan; add it to the export"), path=path
    )


def given_path(path: str | Path) -> Path:
    """Return the path that the user gave; an empty one is a `CaseError`."""
    if not str(path):
        raise CaseError(
            Text("an empty path names no file or folder; give that of a plan")
        )
    given = Path(path)
    try:
        is_taken = given.exists()
    except (OSError, ValueError) as error:
        raise ReadError(
            Text("this is not a path of a file or folder; give that of a plan"),
            path=given,
        ) from error
    if is_taken and not (is_file(given) or is_folder(given)):
        raise ReadError(
            Text("this is not a regular file; give an RT Plan, or a folder"), path=given
        )
    return given


def is_archive(path: Path) -> bool:
    """Tell whether a path is a zip archive."""
    if path.suffix.lower() != ZIP:
        return False
    return is_file(path)


def _roots(folder: Path, options: Options) -> tuple[Root, ...]:
    if options.within is None:
        return around(folder)
    if not is_folder(options.within):
        raise CaseError(Text("--within: there is no such folder"), path=options.within)
    if not folder.resolve().is_relative_to(options.within.resolve()):
        raise CaseError(
            Text(
                "--within: the plan does not lie below this folder; give one that holds it"
            ),
            path=folder,
        )
    return (Root(options.within),)


def _is_dicomdir(path: Path) -> bool:
    if path.name.upper() != "DICOMDIR":
        return False
    return is_file(path)


def _open(start: Path, options: Options) -> Opened:
    if _is_dicomdir(start):
        return _of_folder(start.parent, options)
    if is_folder(start):
        return _of_folder(start, options)
    return _of_file(start, options)


# --- A folder -----------------------------------------------------------------------------------


def _of_folder(folder: Path, options: Options) -> Opened:
    """Open a folder that holds one plan; others may lie around it."""
    survey = find_files(_roots(folder, options))
    inside = [
        f for f in survey.found if Path(f.place.path).is_relative_to(folder.absolute())
    ]
    read, broken = read_files(list(of_class(inside, dicom.RT_PLAN)))
    plans = without_copies(read)
    if not plans:
        raise _no_plan_in(folder, inside, broken)
    if len(plans) > 1:
        refuse_two_contents("RT Plan", plans)
        raise CaseError(
            Text(
                "the folder holds {count} RT Plans; give the file of one of them",
                count=len(plans),
            ),
            path=folder,
            candidates=candidate_rows("RT Plan", plans),
        )
    if options.within is None:
        survey = _joined(survey, find_files(around(Path(plans[0].place.folder))))
    dossier = open_dossier(survey, plans[0].file.instance, given=read)
    return Opened(dossier, plans[0])


def _joined(one: Survey, other: Survey) -> Survey:
    places = {found.place for found in one.found}
    more = tuple(found for found in other.found if found.place not in places)
    unread = dict.fromkeys((*one.unread, *other.unread))
    return Survey(
        found=(*one.found, *more), others=one.others, unread=tuple(unread), odd=one.odd
    )


def _no_plan_in(
    folder: Path, inside: Sequence[Found], broken: Sequence[Unreadable]
) -> SbrtCheckError:
    """Say why a folder leads to no plan: it cannot be read, is of ions, or is not there."""
    if broken:
        return ReadError(broken[0].reason, path=Path(broken[0].place.path))
    if any(of_class(inside, dicom.RT_ION_PLAN)):
        return UnsupportedError(
            Text(
                "the folder holds an RT Ion Plan; only photon RT Plans are judged; `sbrtcheck"
                " dvh` shows the doses of others"
            ),
            path=folder,
        )
    return CaseError(
        Text("the folder holds no RT Plan; give one that does"), path=folder
    )


# --- A file -------------------------------------------------------------------------------------


def _of_file(path: Path, options: Options) -> Opened:
    """Open an RT Plan, or what leads to one."""
    start = Filed(Place(str(path.absolute())), dicom.open_rt(path))
    survey = find_files(_roots(path.absolute().parent, options))
    dossier = open_dossier(survey, start.file.instance, given=[start])
    if start.kind == dicom.RT_PLAN:
        start.file.plan()  # in its own words, if it cannot be read
        return Opened(dossier, start)
    if start.kind == dicom.RT_ION_PLAN:
        raise UnsupportedError(
            Text(
                "this is an RT Ion Plan (protons or ions); only photon RT Plans are judged;"
                " `sbrtcheck dvh` shows the doses of others"
            ),
            path=path,
        )
    if start.kind == dicom.RT_DOSE:
        header = start.file.dose_header()
        dicom.refuse_dose_kind(header, path)
        plan = _only(dossier.plans_of(start), dossier, "dose", path)
        if header.summation_type == BEAM:
            return Opened(dossier, plan)  # one beam is not the course; all may be
        return Opened(dossier, plan, start)
    plans = [plan for plan in dossier.plans if plan.file.structure_set_uid == start.uid]
    return Opened(dossier, _only(plans, dossier, "structure set", path), start)


def _only(plans: Sequence[Filed], dossier: Dossier, what: str, path: Path) -> Filed:
    if len(plans) == 1:
        return plans[0]
    if not plans:
        raise _no_plan_of(what, dossier, path)
    refuse_two_contents("RT Plan", plans)
    raise CaseError(
        Text(
            "{count} RT Plans belong to this {what}; give the file of one",
            count=len(plans),
            what=what,
        ),
        path=path,
        candidates=candidate_rows("RT Plan", plans),
    )


def _no_plan_of(what: str, dossier: Dossier, path: Path) -> SbrtCheckError:
    if dossier.of_class(dicom.RT_ION_PLAN):
        return UnsupportedError(
            Text(
                "beside it lies an RT Ion Plan; only photon RT Plans are judged; `sbrtcheck"
                " dvh` shows the doses of others"
            ),
            path=path,
        )
    return CaseError(
        Text(
            "no RT Plan of this {what} lies in its folder or the folders around it; put it"
            " there, or give its file",
            what=what,
        ),
        path=path,
    )


# --- What the user chose ------------------------------------------------------------------------


def _case(opened: Opened, options: Options) -> Case:
    return case_of(opened.dossier, opened.plan, _choices(opened, options))


def _choices(opened: Opened, options: Options) -> Choices:
    sets, dose = options.structure_set, options.dose
    return Choices(
        structure_set=_chosen(sets, opened, dicom.RT_STRUCTURE_SET, "--struct"),
        dose=_chosen(dose, opened, dicom.RT_DOSE, "--dose"),
        added=tuple(_added(name, opened) for name in options.with_plans),
    )


def _chosen(
    option: str | Path | None, opened: Opened, sop_class_uid: str, name: str
) -> Filed | None:
    """Return the file that an option names, or the one that was opened, if it is of the class."""
    if option is not None:
        return named_file(option, opened.dossier, sop_class_uid, name)
    if is_of(opened.start, sop_class_uid):
        return opened.start
    return None


def named_file(
    option: str | Path, dossier: Dossier, sop_class_uid: str, name: str
) -> Filed:
    """Return the file that an option names: a path, or the end of one candidate's UID."""
    path = Path(option)
    if is_file(path):
        return _read_or_known(path, dossier, sop_class_uid)
    ending = str(option).lstrip("….")
    if not ending.replace(".", "").isdigit():
        raise CaseError(Text("{name}: there is no such file", name=name), path=path)
    candidates = [f for f in dossier.of_class(sop_class_uid) if f.uid.endswith(ending)]
    if len(candidates) == 1:
        return candidates[0]
    raise CaseError(
        Text(
            "{name}: {count} files found here have a UID that ends with {ending}; give more of it",
            name=name,
            count=len(candidates),
            ending=ending,
        ),
        candidates=candidate_rows("UID", candidates),
    )


def _read_or_known(path: Path, dossier: Dossier, sop_class_uid: str) -> Filed:
    place = Place(str(path.absolute()))
    known = {filed.place: filed for filed in dossier.files}
    filed = known.get(place)
    if filed is None:
        filed = Filed(place, dicom.open_rt(path))
    if filed.kind != sop_class_uid:
        raise ReadError(
            Text(
                "this is not an {kind}; give the file of one",
                kind=dicom.class_name(sop_class_uid),
            ),
            path=path,
        )
    return filed


def _added(option: str | Path, opened: Opened) -> Sibling:
    """Return the plan whose dose is to be added, from the dossier or from files elsewhere."""
    path = Path(option)
    if not str(option):
        raise CaseError(Text("--with: an empty path names no plan; give its file"))
    dossier, plan = opened.dossier, _with_plan(option, path, opened.dossier)
    if plan is None:
        elsewhere = _open(path, Options())
        dossier, plan = elsewhere.dossier, elsewhere.plan
        patients = (opened.plan.file.instance, plan.file.instance)
        require_one_patient(*patients, path=path)
    if plan.uid == opened.plan.uid:
        raise CaseError(Text("--with: this is the plan itself"), path=path)
    return sibling_of(dossier, plan, "given by hand", asked_for=True)


def _with_plan(option: str | Path, path: Path, dossier: Dossier) -> Filed | None:
    """Return the plan of the dossier that an option names; None where it lies elsewhere."""
    if not is_there(path):
        return named_file(option, dossier, dicom.RT_PLAN, "--with")
    own = str(path.absolute())
    plans = (p for p in dossier.plans if own in (p.place.path, p.place.folder))
    return next(plans, None)


# --- Structures alone ---------------------------------------------------------------------------


def load_structures(path: str | Path) -> StructureSet:
    """Read a structure set: itself, or the one that a plan, a dose or a folder leads to.

    No dose is needed, unless the path is one.

    Raises
    ------
    CaseError
        If there is no structure set, or several could be meant.
    ReadError
        If a file cannot be read.
    """
    start = given_path(path)
    if is_archive(start) or is_folder(start):
        return _structures_of_folder(start)
    file = dicom.open_rt(start)
    if file.sop_class_uid == dicom.RT_STRUCTURE_SET:
        return file.structure_set()
    filed = Filed(Place(str(start.absolute())), file)
    survey = find_files(around(start.absolute().parent))
    dossier = open_dossier(survey, file.instance, given=[filed])
    return _structures_named(dossier, _wanted(dossier, filed), start)


def _wanted(dossier: Dossier, filed: Filed) -> str | None:
    """Return the structure set that a plan or a dose leads to."""
    if filed.file.structure_set_uid is not None:
        return filed.file.structure_set_uid
    plans = dossier.plans_of(filed)
    if not plans:
        return None
    return plans[0].file.structure_set_uid


def _structures_named(dossier: Dossier, wanted: str | None, path: Path) -> StructureSet:
    files = dossier.of_uid(dicom.RT_STRUCTURE_SET, wanted)
    refuse_two_contents("RT Structure Set", files)
    if not files:
        raise CaseError(
            Text(
                "the structure set that it names is not in its folder or the folders around it;"
                " put it there"
            ),
            path=path,
        )
    return files[0].file.structure_set()


def _structures_of_folder(path: Path) -> StructureSet:
    found = find_files([Root(path)]).found
    read, broken = read_files(list(of_class(found, dicom.RT_STRUCTURE_SET)))
    files = without_copies(read)
    if len(files) == 1:
        return files[0].file.structure_set()
    if files:
        return load_case(path).structure_set
    if broken:
        raise ReadError(broken[0].reason, path=path)
    raise CaseError(
        Text("the folder holds no RT Structure Set; give one that does"), path=path
    )
