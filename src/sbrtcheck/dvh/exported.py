"""What a planning system wrote of a curve, read with care: its DVH, or a sentence why not.

PS3.3 C.8.8.4: DVHData are pairs of bin width and volume. DVHDoseScaling counts for the widths and
never for volumes. At which end of its bin a cumulative volume is meant, the standard leaves open:
it is read in the middle, which is wrong by half a bin at the most. (So read, the means of Eclipse's
curves are those that it states.) A first width of 0 tells that volumes belong to the ends.
"""

import numpy as np

from sbrtcheck.dvh.curve import DVH
from sbrtcheck.errors import UnsupportedError
from sbrtcheck.model import ExportedDVH, FloatArray, Text, frozen_array

__all__ = ["dvh_of_exported"]

# A percent curve that starts this near to 100 % is one of the whole ROI.
WHOLE_PERCENT = 0.5
RISE = 1e-3  # of its volume: a cumulative curve that rises by less is rounded
# No dose in a plan is a larger multiple of its normalisation dose.
MOST_MULTIPLES = 3.0
LEAST_PERCENT = 20.0  # and none of interest a smaller percentage of it
SAME_DOSE = 0.05  # stated and own mean or maximum that differ by less are one


def dvh_of_exported(
    exported: ExportedDVH, *, roi_name: str = "", volume_cc: float | None = None
) -> DVH:
    """Return the DVH that a planning system wrote, in Gy and cc.

    What had to be assumed stands in its notes. Minimum, maximum and mean are those of the curve;
    stated ones are in percent in some exports and never used.

    Parameters
    ----------
    volume_cc
        The ROI's volume, by which volumes in percent become cc.

    Raises
    ------
    UnsupportedError
        If the curve cannot be understood without a guess; the sentence says why.
    """
    problem = _problem(exported)
    if problem is not None:
        raise UnsupportedError(problem)
    notes: list[Text] = []
    doses_gy, volumes = _cumulative(exported, _gy_per_width(exported, notes), notes)
    whole_cc, volumes_cc = _in_cc(exported, volumes, volume_cc, notes)
    inside_cc = float(volumes_cc[0])
    return DVH(
        roi_name=roi_name,
        volume_cc=whole_cc,
        volume_outside_cc=whole_cc - inside_cc,
        dose_gy=frozen_array(doses_gy, ndim=1),
        volume_cc_at_dose=frozen_array(volumes_cc, ndim=1),
        min_gy=float(doses_gy[np.flatnonzero(volumes_cc >= inside_cc)[-1]]),
        max_gy=_maximum_gy(doses_gy, volumes_cc),
        mean_gy=_mean_gy(doses_gy, volumes_cc),
        notes=(*notes, *_doubts(exported, doses_gy, volumes_cc)),
    )


def _problem(exported: ExportedDVH) -> Text | None:
    """Return why a curve cannot be understood, or None."""
    rows = (
        (
            len(exported.included) != 1,
            Text("it is of {n} ROIs", n=len(exported.included)),
        ),
        (bool(exported.excluded), Text("other ROIs are taken out of it")),
        (
            exported.kind not in ("CUMULATIVE", "DIFFERENTIAL"),
            Text("it is of type '{kind}'", kind=exported.kind),
        ),
        (
            exported.dose_type != "PHYSICAL",
            Text("its dose is of type '{type}'", type=exported.dose_type),
        ),
        (
            exported.dose_units not in ("GY", "RELATIVE"),
            Text("its dose is in units of '{units}'", units=exported.dose_units),
        ),
        (
            exported.dose_units == "RELATIVE"
            and not _is_positive(exported.normalisation_dose_gy),
            Text("its dose is relative, and no normalisation dose is stated"),
        ),
        (
            exported.volume_units not in ("CM3", "PERCENT"),
            Text("its volumes are in units of '{units}'", units=exported.volume_units),
        ),
        (
            not _is_positive(exported.dose_scaling),
            Text("it has no DVH Dose Scaling above 0"),
        ),
        (
            exported.stated_bins not in (None, exported.volumes.size),
            Text(
                "it states {stated} bins and holds {found}",
                stated=exported.stated_bins or 0,
                found=exported.volumes.size,
            ),
        ),
        (bool((exported.bin_widths < 0).any()), Text("a bin has a negative width")),
        (not (exported.bin_widths > 0).any(), Text("it has no bin with a width")),
        (not (exported.volumes > 0).any(), Text("it holds no volume")),
    )
    return next((sentence for wrong, sentence in rows if wrong), None)


def _is_positive(stated: float | None) -> bool:
    return stated is not None and stated > 0


def _gy_per_width(exported: ExportedDVH, notes: list[Text]) -> float:
    """Return by what a bin width is to be multiplied.

    The standard does not say whether RELATIVE dose is a multiple or a percentage of the
    normalisation dose; the curve does, unless it ends between the two.
    """
    scaling = exported.dose_scaling or 0.0
    if exported.dose_units == "GY":
        return scaling
    norm_gy = exported.normalisation_dose_gy or 0.0
    held = np.flatnonzero(exported.volumes > 0)[-1]
    end = float(exported.bin_widths[: held + 1].sum()) * scaling
    if MOST_MULTIPLES < end < LEAST_PERCENT:
        why = "its relative dose ends at {end}, neither a multiple nor a percentage of a dose"
        raise UnsupportedError(Text(why, end=end))
    how, whole = "multiples", 1
    if end >= LEAST_PERCENT:
        how, whole = "percent", 100
    notes.append(
        Text(
            "its relative dose is read in {how} of the stated normalisation dose of {norm_gy} Gy",
            how=how,
            norm_gy=norm_gy,
        )
    )
    return scaling * norm_gy / whole


def _cumulative(
    exported: ExportedDVH, gy_per_width: float, notes: list[Text]
) -> tuple[FloatArray, FloatArray]:
    """Return the doses, ascending from 0, and what receives at least each, the last one nothing."""
    volumes = exported.volumes
    if float(volumes.min()) < 0:
        if float(volumes.min()) < -RISE * float(volumes.max()):
            raise UnsupportedError(Text("it holds negative volumes"))
        notes.append(Text("its volumes below 0 are rounding and count as 0"))
        volumes = np.maximum(volumes, 0.0)
    widths_gy = exported.bin_widths * gy_per_width
    ends_gy = np.cumsum(widths_gy)
    if exported.kind == "DIFFERENTIAL":
        notes.append(Text("its differential curve is added up"))
        volumes = np.cumsum(volumes[::-1])[::-1]
        doses_gy = np.append(0.0, ends_gy)
    elif widths_gy[0] == 0:
        doses_gy = np.append(ends_gy, ends_gy[-1] + widths_gy[-1])
    else:
        doses_gy = np.concatenate([[0.0], ends_gy - widths_gy / 2, ends_gy[-1:]])
        volumes = np.append(volumes[0], volumes)
    falling = np.maximum.accumulate(volumes[::-1])[::-1]
    if float((falling - volumes).max()) > RISE * float(falling[0]):
        raise UnsupportedError(Text("it rises, which no cumulative curve does"))
    falling = np.append(falling, 0.0)
    kept = np.append(
        True, np.diff(doses_gy) > 0
    )  # a bin without width holds no dose of its own
    doses_gy, falling = doses_gy[kept], falling[kept]
    if falling[-1] > 0:  # so it was with the last one
        doses_gy = np.append(doses_gy, np.nextafter(doses_gy[-1], np.inf))
        falling = np.append(falling, 0.0)
    return doses_gy, falling


def _in_cc(
    exported: ExportedDVH,
    volumes: FloatArray,
    volume_cc: float | None,
    notes: list[Text],
) -> tuple[float, FloatArray]:
    """Return the volume of the whole ROI, and the curve, in cc."""
    first = float(volumes[0])
    if exported.volume_units == "CM3":
        return first, volumes
    if volume_cc is None:
        raise UnsupportedError(
            Text("its volumes are in percent, and the ROI's own volume is not known")
        )
    if first > 100 + WHOLE_PERCENT:
        raise UnsupportedError(Text("it starts at {first} % of the ROI", first=first))
    notes.append(
        Text(
            "its volumes are in percent: cc by our volume of {volume_cc} cc",
            volume_cc=volume_cc,
        )
    )
    if first >= 100 - WHOLE_PERCENT:
        return volume_cc, volumes * (volume_cc / first)
    notes.append(
        Text("it starts at {first} %: it is of a part of the ROI", first=first)
    )
    return volume_cc, volumes * (volume_cc / 100)


def _doubts(
    exported: ExportedDVH, doses_gy: FloatArray, volumes_cc: FloatArray
) -> tuple[Text, ...]:
    """Return notes on stated doses that the curve itself contradicts."""
    own_gy = {
        "mean": _mean_gy(doses_gy, volumes_cc),
        "maximum": _maximum_gy(doses_gy, volumes_cc),
    }
    stated = {"mean": exported.stated_mean, "maximum": exported.stated_maximum}
    bin_gy = float(np.diff(doses_gy).max())
    return tuple(
        Text(
            "its stated {name} of {stated} is not used: by its own curve it is {own_gy} Gy",
            name=name,
            stated=value,
            own_gy=own_gy[name],
        )
        for name, value in stated.items()
        if value is not None
        and abs(value - own_gy[name]) > SAME_DOSE * own_gy[name] + bin_gy
    )


def _mean_gy(doses_gy: FloatArray, volumes_cc: FloatArray) -> float:
    """Return the mean dose of a curve that is linear between its samples."""
    area = float((volumes_cc[1:] + volumes_cc[:-1]) @ np.diff(doses_gy)) / 2
    return area / float(volumes_cc[0])


def _maximum_gy(doses_gy: FloatArray, volumes_cc: FloatArray) -> float:
    """Return the dose at which a curve reaches 0."""
    return float(doses_gy[np.flatnonzero(volumes_cc > 0)[-1] + 1])
