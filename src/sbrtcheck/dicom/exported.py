"""The DVHs that a planning system wrote into its RT Dose (PS3.3 C.8.8.4) -> ExportedDVH."""

from sbrtcheck.dicom.dataset import RT_DOSE, Opened, Record, quietly, require_class
from sbrtcheck.model import ExportedDVH

EXCLUDED = "EXCLUDED"


@quietly
def read_exported_dvhs(opened: Opened) -> tuple[ExportedDVH, ...]:
    """Read the DVHs that an RT Dose carries; none where it carries none.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose, or a curve is damaged.

    Notes
    -----
    Nothing is converted here: what the numbers mean is judged where they are used.
    """
    root = require_class(opened, RT_DOSE)
    normalisation_gy = root.number("DVHNormalizationDoseValue")
    return tuple(
        _exported(item, normalisation_gy) for item in root.items("DVHSequence")
    )


def _exported(item: Record, normalisation_gy: float | None) -> ExportedDVH:
    numbers = item.numbers("DVHData")
    if numbers.size % 2:
        raise item.fail(
            "DVH Data holds {count} numbers, which do not pair up to bin widths and volumes;"
            " export the DVHs again",
            count=numbers.size,
        )
    rois = [
        (
            row.required_integer("ReferencedROINumber"),
            row.text("DVHROIContributionType").upper(),
        )
        for row in item.items("DVHReferencedROISequence")
    ]
    return ExportedDVH(
        bin_widths=numbers[0::2],
        volumes=numbers[1::2],
        included=tuple(number for number, counts in rois if counts != EXCLUDED),
        excluded=tuple(number for number, counts in rois if counts == EXCLUDED),
        kind=item.text("DVHType").upper(),
        dose_units=item.text("DoseUnits").upper(),
        dose_type=item.text("DoseType").upper(),
        dose_scaling=item.number("DVHDoseScaling"),
        volume_units=item.text("DVHVolumeUnits").upper(),
        stated_bins=item.integer("DVHNumberOfBins"),
        normalisation_dose_gy=normalisation_gy,
        stated_minimum=item.number("DVHMinimumDose"),
        stated_mean=item.number("DVHMeanDose"),
        stated_maximum=item.number("DVHMaximumDose"),
    )
