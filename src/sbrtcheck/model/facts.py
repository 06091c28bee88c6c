"""What the user or a centre says rather than the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sbrtcheck.model.frozen import sealed

__all__ = ["Arm", "CaseFacts", "Declared", "PriorRadiotherapy"]


class Arm(StrEnum):
    """The arm of the trial that a patient was randomised to; only the control arm is irradiated."""

    CONTROL = "control"
    EXPERIMENTAL = "experimental"


class PriorRadiotherapy(StrEnum):
    """Whether the treated region was irradiated before."""

    NONE = "none"
    YES = "yes"
    UNKNOWN = "unknown"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What DICOM files cannot hold, as a centre states it; None is what it does not state.

    `not_drawn` gives the reason why an organ that is expected is not drawn; `prior_cord_eqd2_gy` is
    the largest EQD2 (alpha/beta 2) that an earlier course gave to the cord or thecal sac.
    """

    centre: str | None = None
    surgery_date: date | None = None
    first_fraction_date: date | None = None
    last_fraction_date: date | None = None
    operated_levels: tuple[str, ...] = ()
    prior_radiotherapy: PriorRadiotherapy | None = None
    prior_radiotherapy_date: date | None = None
    prior_radiotherapy_levels: tuple[str, ...] = ()
    prior_cord_eqd2_gy: float | None = None
    affected_levels: tuple[str, ...] = ()
    arm: Arm | None = None
    conus_level: str | None = None
    not_drawn: Mapping[str, str] = field(default_factory=dict)


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the user says rather than the files; every use of it is named in the report.

    `aliases` pairs an ROI name with the standard structure it stands for; `alone` says that no
    other plan of the patient gives dose to the same cord.
    """

    prescription: tuple[float, int] | None = None
    levels: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False
    facts: CaseFacts = field(default_factory=CaseFacts)
