"""A population's DVH of one structure: median and quartiles at each dose, saved as a picture.

    python examples/population_dvh.py sample_dicom SpinalCord cord.png

The structure is found by what ROIs are taken for, so that a cord called 脊髓 is one of them.
Needs matplotlib. At each dose the median and the quartiles are taken over the plans' volumes in
percent; no patient has the median curve.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from sbrtcheck import SbrtCheckError, compute_dvh, load_case, load_protocol
from sbrtcheck.protocol.names import match_rois

mpl.use("Agg")
from matplotlib import pyplot as plt

folder, name, picture = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
dose_gy = np.arange(0, 50.01, 0.1)
curves = []
protocol = load_protocol("nct06756087")
for plan in sorted({path.parent for path in folder.rglob("*.dcm")}):
    try:
        case = load_case(plan)
    except SbrtCheckError as error:
        print(f"{plan.name} left out: {error}", file=sys.stderr)
        continue
    matches = match_rois(case.structure_set.rois, protocol, {})
    drawn = [match.roi for match in matches if match.structure == name]
    if len(drawn) != 1:
        print(f"{plan.name} left out: {len(drawn)} ROIs are a {name}", file=sys.stderr)
        continue
    dvh = compute_dvh(drawn[0], case.dose)
    if not dvh.is_complete:
        print(f"{plan.name} left out: part of {name} has no dose", file=sys.stderr)
        continue
    curves.append([dvh.volume_at_dose_percent(dose) for dose in dose_gy])

low, median, high = np.percentile(np.array(curves, dtype=float), [25, 50, 75], axis=0)
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.fill_between(dose_gy, low, high, alpha=0.3, label="quartiles")
axes.plot(dose_gy, median, label="median")
axes.set(xlabel="dose [Gy]", ylabel="volume [%]", title=f"{name}, {len(curves)} plans")
axes.set(xlim=(0, dose_gy[median > 0].max() * 1.2), ylim=(0, 101))
axes.legend()
figure.savefig(picture, dpi=150)
print(
    f"{picture.name}: {len(curves)} plans; median D50% {np.interp(-50, -median, dose_gy):.2f} Gy"
)
