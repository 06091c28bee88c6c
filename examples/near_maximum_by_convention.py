"""D0.035cc of a cord by both conventions between planes, and the interval that holds both.

python examples/near_maximum_by_convention.py sample_dicom/t8_30gy5_pass SpinalCord
"""

import sys

from sbrtcheck import Convention, compute_band, compute_dvh, load_case

case = load_case(sys.argv[1])
roi = case.structure_set.roi(sys.argv[2])
for name in ("slab", "shape"):
    for dose in ("trilinear", "cubic"):
        dvh = compute_dvh(
            roi, case.dose, convention=Convention(between_planes=name, dose=dose)
        )
        near_gy = dvh.dose_at_volume_gy(0.035)
        print(
            f"{name:6} {dose:10} D0.035cc {near_gy:.3f} Gy   volume {dvh.volume_cc:.4f} cc"
        )
value = compute_band(roi, case.dose).dose_at_volume_gy(0.035)
print(f"interval about slab and trilinear: {value.low:.3f} to {value.high:.3f} Gy")
