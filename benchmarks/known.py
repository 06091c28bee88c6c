"""The DVH of an ROI that has a volume, and a dose in part of it."""

from sbrtcheck import DVH, ROI, Convention, DoseGrid, compute_dvh

__all__ = ["dvh_of"]


def dvh_of(
    roi: ROI,
    dose: DoseGrid,
    *,
    convention: Convention = Convention(),  # noqa: B008 - frozen
) -> DVH:
    """Return the DVH of an ROI; a `ValueError` where it has none."""
    dvh = compute_dvh(roi, dose, convention=convention)
    if not isinstance(dvh, DVH):
        raise ValueError(f"{roi.name}: {dvh.reason}")  # noqa: TRY004 - the data, not the type
    return dvh
