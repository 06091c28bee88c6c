"""What the files of a tree are, and what RT files say of themselves: all that linking needs."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.batch.places import ZIP, Place, on_disk, readable_archive
from sbrtcheck.dossier import RT_CLASSES
from sbrtcheck.errors import ReadError
from sbrtcheck.model import Instance, Patient, approval_term

__all__ = ["NOT_DICOM", "Contents", "Header", "look", "read_contents"]

NOT_DICOM = "not DICOM"
CANNOT_OPEN = "cannot be opened"
UNREADABLE = "members that cannot be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an RT file says of itself; `problem` is why it cannot be read, or None.

    Of a file that cannot be read, UIDs and patient ID are those of its first bytes.
    """

    sop_class_uid: str
    sop_instance_uid: str = ""
    sha256: str = ""
    size_bytes: int = 0
    patient_id: str | None = None
    patient_name: str | None = None
    birth_date: str | None = None
    study_uid: str | None = None
    frame_uid: str | None = None
    label: str | None = None
    date: str | None = None
    approval: str | None = None
    structure_set_uid: str | None = None
    plan_uids: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def patient(self) -> Patient:
        """Return who the file says the patient is."""
        return Patient(
            patient_id=self.patient_id, name=self.patient_name, birth_date=self.birth_date
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file is: an RT file, or an archive that holds some, or something else.

    `headers` pair the number of a member with its header; a plain file has one, of number None.
    `others` count what else there is by its kind; `problem` says why an archive is closed.
    """

    headers: tuple[tuple[int | None, Header], ...] = ()
    others: dict[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def lasts(self) -> bool:
        """Tell whether another look would say the same: nothing failed that may pass."""
        return self.problem is None and all(header.sha256 for _, header in self.headers)

    def to_json(self) -> str:
        """Return it as text, for an index."""
        headers = [(number, asdict(header)) for number, header in self.headers]
        return json.dumps({"headers": headers, "others": self.others, "problem": self.problem})

    @staticmethod
    def from_json(text: str) -> "Contents":
        """Read what `to_json` wrote."""
        document = json.loads(text)
        headers = tuple(
            (number, Header(**(row | {"plan_uids": tuple(row["plan_uids"])})))
            for number, row in document["headers"]
        )
        return Contents(headers=headers, others=document["others"], problem=document["problem"])


def look(path: str) -> Contents | None:
    """Tell by its first bytes what a file is; None for what has to be read further."""
    if path.lower().endswith(ZIP):
        return None
    try:
        peek = dicom.peek(Path(path))
    except OSError as error:
        return Contents(others={CANNOT_OPEN: 1}, problem=error.strerror or CANNOT_OPEN)
    if peek is None:
        return Contents(others={NOT_DICOM: 1})
    if peek.sop_class_uid in RT_CLASSES:
        return None
    return Contents(others={dicom.class_name(peek.sop_class_uid): 1})


def read_contents(paths: Sequence[str]) -> tuple[Contents, ...]:
    """Read the headers of RT files and archives; a file that cannot be read says so itself."""
    return tuple(
        _read_archive(path) if path.lower().endswith(ZIP) else _read_file(path) for path in paths
    )


def _read_file(path: str) -> Contents:
    try:
        with Path(path).open("rb") as file:
            peek = dicom.peek_bytes(file.read(dicom.HEAD_BYTES))
    except OSError as error:
        return Contents(others={CANNOT_OPEN: 1}, problem=error.strerror or CANNOT_OPEN)
    if peek is None or peek.sop_class_uid not in RT_CLASSES:  # it has changed meanwhile
        return Contents(others={NOT_DICOM: 1})
    return Contents(headers=((None, _header(Path(path), peek)),))


def _read_archive(path: str) -> Contents:
    headers: list[tuple[int | None, Header]] = []
    others: Counter[str] = Counter()
    problem: str | None = None
    try:
        with readable_archive(path) as archive:
            members = archive.infolist()
    except ReadError as error:
        return Contents(problem=str(error.problem))
    for number, member in enumerate(members):
        if member.is_dir():
            continue
        if member.filename.lower().endswith(ZIP):
            others["archive within an archive"] += 1
            continue
        try:
            header = _read_member(path, number)
        except ReadError as error:
            others[UNREADABLE] += 1
            problem = f"{others[UNREADABLE]} members are left out: {error.problem}"
            continue
        if isinstance(header, Header):
            headers.append((number, header))
        else:
            others[header] += 1
    return Contents(headers=tuple(headers), others=dict(others), problem=problem)


def _read_member(path: str, number: int) -> Header | str:
    """Return the header of a member of an archive; of what is no RT file, what it is."""
    with readable_archive(path) as archive, archive.open(archive.infolist()[number]) as packed:
        peek = dicom.peek_bytes(packed.read(dicom.HEAD_BYTES))
    if peek is None:
        return NOT_DICOM
    if peek.sop_class_uid not in RT_CLASSES:
        return dicom.class_name(peek.sop_class_uid)
    place = Place(path, number)
    with on_disk([place]) as paths:
        return _header(paths[place], peek)


def _ascii(patient_id: bytes) -> str | None:
    """Return a patient ID that any character set reads alike; others tell no patient from another."""
    return patient_id.decode("ascii") or None if patient_id.isascii() else None


def _header(path: Path, peek: dicom.Peek) -> Header:
    header = Header(
        sop_class_uid=peek.sop_class_uid,
        sop_instance_uid=peek.sop_instance_uid or "",
        patient_id=_ascii(peek.patient_id or b""),
        study_uid=peek.study_uid,
        frame_uid=peek.frame_uid,
    )
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            header = replace(header, sha256=sha256, size_bytes=file.tell())
        instance, structure_set_uid, plan_uids = _read(path, peek.sop_class_uid)
    except ReadError as error:
        if isinstance(error.__cause__, MemoryError):
            header = replace(header, sha256="")  # it may be read next time
        return replace(header, problem=str(error.problem))
    except OSError as error:
        return replace(header, problem=error.strerror or CANNOT_OPEN)
    return replace(
        header,
        sop_instance_uid=instance.sop_instance_uid,
        patient_id=instance.patient.patient_id,
        patient_name=instance.patient.name,
        birth_date=instance.patient.birth_date,
        study_uid=instance.study_instance_uid,
        frame_uid=instance.frame_of_reference_uid,
        label=instance.label,
        date=instance.date,
        approval=approval_term(instance.approval_status),
        structure_set_uid=structure_set_uid,
        plan_uids=plan_uids,
    )


def _read(path: Path, sop_class_uid: str) -> tuple[Instance, str | None, tuple[str, ...]]:
    """Return who a file is, the structure set that it names, and the plans that it names."""
    if sop_class_uid == dicom.RT_PLAN:
        plan = dicom.load_plan(path)
        return plan.instance, plan.structure_set_uid, ()
    if sop_class_uid == dicom.RT_DOSE:
        header = dicom.load_dose_header(path)
        return header.instance, None, header.referenced_plan_uids
    if sop_class_uid == dicom.RT_STRUCTURE_SET:
        return dicom.load_structure_set_header(path), None, ()
    return dicom.load_ion_plan_header(path), None, ()
