"""Two plans side by side: the same metrics of the ROIs that both have, and what differs clearly.

    python examples/compare_plans.py sample_dicom/t8_30gy5_pass sample_dicom/t6_42gy7_cord_fail

A difference is called clear where the intervals of both values do not meet.
"""

import sys

from sbrtcheck import compute_band, load_case, metric_records

METRICS = ("volume", "D0.035cc", "D2%", "D95%", "Dmean")

rows = []
for path in sys.argv[1:3]:
    case = load_case(path)
    bands = [
        compute_band(roi, case.dose) for roi in case.structure_set.rois if roi.contours
    ]
    rows.append(
        {(row["roi"], row["metric"]): row for row in metric_records(bands, METRICS)}
    )

first, second = rows
print(f"{'ROI':20} {'metric':10} {'first':>9} {'second':>9} {'change':>9}")
for roi, metric in [key for key in first if key in second]:
    one, two = first[roi, metric], second[roi, metric]
    if one["value"] is None or two["value"] is None:
        print(f"{roi:20} {metric:10} not known: {one['reason'] or two['reason']}")
        continue
    clear = one["high"] < two["low"] or two["high"] < one["low"]
    change = two["value"] - one["value"]
    print(
        f"{roi:20} {metric:10} {one['value']:9.2f} {two['value']:9.2f} {change:+9.2f}"
        f" {one['unit']:3}{' clear' if clear else ''}"
    )
