"""What if the patient lies a little elsewhere? Shifts and rotations of a static dose cloud.

The questions are those of `checks`: the same structures, metrics and limits. They are answered for
26 directions of shift and rotations about three axes; a verdict is not reached here.
"""

from sbrtcheck.robustness.assessment import Robustness, Row, assess, isocentre
from sbrtcheck.robustness.moved import shifted, turned
from sbrtcheck.robustness.poses import Pose, Rotation, Shift
from sbrtcheck.robustness.search import Break, Worst

__all__ = [
    "Break",
    "Pose",
    "Robustness",
    "Rotation",
    "Row",
    "Shift",
    "Worst",
    "assess",
    "isocentre",
    "shifted",
    "turned",
]
