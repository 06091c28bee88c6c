"""DVHs of all ROIs of all plans below a folder, as one CSV file.

    python examples/dvh_of_a_folder.py sample_dicom/t8_30gy5_pass curves.csv

Plans that cannot be read are named on standard error, never left out in silence.
"""

import csv
import sys
from pathlib import Path

from sbrtcheck import SbrtCheckError, compute_dvh, curve_records, load_case

folder, target = Path(sys.argv[1]), Path(sys.argv[2])

with target.open("w", newline="", encoding="utf-8-sig") as file:
    writer = csv.DictWriter(
        file, ["plan", "roi", "dose_gy", "volume_cc", "volume_percent"]
    )
    writer.writeheader()
    for plan in sorted({path.parent for path in folder.rglob("*.dcm")}):
        try:
            case = load_case(plan)
        except SbrtCheckError as error:
            print(f"{plan.name}: {error}", file=sys.stderr)
            continue
        dvhs = [
            compute_dvh(roi, case.dose)
            for roi in case.structure_set.rois
            if roi.contours
        ]
        writer.writerows({"plan": plan.name, **row} for row in curve_records(dvhs))
        print(f"{plan.name}: {len(dvhs)} ROIs")
