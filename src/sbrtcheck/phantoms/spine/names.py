"""Under which names structures are exported: two variants for each of seven styles.

In a name, {level} stands for T8, {padded} for T08 (L1 stays), {chinese} for 胸8, {mm} for the
margin of a PRV.
"""

from sbrtcheck.errors import CaseError
from sbrtcheck.model import Text
from sbrtcheck.phantoms.spine.drawn import Style

__all__ = ["NAMES", "roi_name"]

NAMES: dict[Style, dict[str, tuple[str, str]]] = {
    "english": {
        "PTV": ("PTV_{level}", "PTV {level}"),
        "CTV": ("CTV_{level}", "CTV {level}"),
        "GTV": ("GTV_{level}", "GTV {level}"),
        "VB": ("VB_{padded}", "Vertebra {level}"),
        "SpinalCord": ("SpinalCord", "Spinal Cord"),
        "SpinalCord_PRV": ("SpinalCord_PRV{mm}", "Cord PRV {mm}mm"),
        "ThecalSac": ("ThecalSac", "Thecal Sac"),
        "SpinalCanal": ("SpinalCanal", "Spinal Canal"),
        "CaudaEquina": ("CaudaEquina", "Cauda Equina"),
        "External": ("External", "Body"),
        "Esophagus": ("Esophagus", "Oesophagus"),
        "Bowel_Small": ("Bowel_Small", "Small Bowel"),
        "Stomach": ("Stomach", "stomach"),
        "Duodenum": ("Duodenum", "duodenum"),
        "Kidney_L": ("Kidney_L", "Left Kidney"),
        "Kidney_R": ("Kidney_R", "Right Kidney"),
        "SacralPlex": ("SacralPlex", "Sacral Plexus"),
    },
    "chinese": {
        "PTV": ("PTV_{chinese}", "{chinese}PTV"),
        "CTV": ("CTV_{chinese}", "{chinese}CTV"),
        "GTV": ("GTV_{chinese}", "{chinese}GTV"),
        "VB": ("{chinese}椎体", "{chinese}"),
        "SpinalCord": ("脊髓", "脊髓神经"),
        "SpinalCord_PRV": ("脊髓PRV{mm}mm", "脊髓外扩{mm}mm"),
        "ThecalSac": ("硬膜囊", "硬脊膜囊"),
        "SpinalCanal": ("椎管", "脊髓腔"),
        "CaudaEquina": ("马尾", "马尾神经"),
        "External": ("体表", "外轮廓"),
        "Esophagus": ("食管", "食道"),
        "Bowel_Small": ("小肠", "肠管"),
        "Stomach": ("胃", "胃"),
        "Duodenum": ("十二指肠", "十二指腸"),
        "Kidney_L": ("左肾", "肾左"),
        "Kidney_R": ("右肾", "肾右"),
        "SacralPlex": ("骶丛", "骶神经丛"),
    },
    "eclipse": {
        "PTV": ("PTV_{padded}", "PTVp_{level}"),
        "CTV": ("CTV_{padded}", "CTVp_{level}"),
        "GTV": ("GTV_{padded}", "GTVp_{level}"),
        "VB": ("{padded}_VB", "Vert_{level}"),
        "SpinalCord": ("Spinal Cord", "SpinalCord"),
        "SpinalCord_PRV": ("SpinalCord_PRV{mm}", "Cord+{mm}mm"),
        "ThecalSac": ("Thecal Sac", "Dural Sac"),
        "SpinalCanal": ("Spinal Canal", "Canal"),
        "CaudaEquina": ("Cauda Equina", "CaudaEquina"),
        "External": ("BODY", "Body"),
        "Esophagus": ("Esophagus", "Oesophagus"),
        "Bowel_Small": ("Bowel", "Bowel Bag"),
        "Stomach": ("Stomach", "Magen"),
        "Duodenum": ("Duodenum", "Duod"),
        "Kidney_L": ("Kidney Left", "Kidney (L)"),
        "Kidney_R": ("Kidney Right", "Kidney (R)"),
        "SacralPlex": ("LumbSacPlex", "Sacral Plexus"),
    },
    "monaco": {
        "PTV": ("ptv {level}", "PTV-{level}"),
        "CTV": ("ctv {level}", "CTV-{level}"),
        "GTV": ("gtv {level}", "GTV-{level}"),
        "VB": ("vb {level}", "{level} body"),
        "SpinalCord": ("cord", "Spinal-Cord"),
        "SpinalCord_PRV": ("cord prv{mm}", "Cord_PRV{mm}"),
        "ThecalSac": ("thecal sac", "Thecal-Sac"),
        "SpinalCanal": ("spinal canal", "Vertebral Canal"),
        "CaudaEquina": ("cauda", "Cauda-Equina"),
        "External": ("patient", "Patient Outline"),
        "Esophagus": ("oesophagus", "Esoph"),
        "Bowel_Small": ("bowel", "Small Bowel"),
        "Stomach": ("stomach", "Gastric"),
        "Duodenum": ("duodenum", "Duod"),
        "Kidney_L": ("lt kidney", "Kidney Lt"),
        "Kidney_R": ("rt kidney", "Kidney Rt"),
        "SacralPlex": ("sacral plexus", "Lumbosacral Plexus"),
    },
    "raystation": {
        "PTV": ("PTV {level}", "PTV ({level})"),
        "CTV": ("CTV {level}", "CTV ({level})"),
        "GTV": ("GTV {level}", "GTV ({level})"),
        "VB": ("Vertebra {level}", "VB {padded}"),
        "SpinalCord": ("SpinalCord", "Cord"),
        "SpinalCord_PRV": ("SpinalCord_PRV_{mm}mm", "SpinalCord + {mm} mm"),
        "ThecalSac": ("ThecalSac", "Thecal sac"),
        "SpinalCanal": ("SpinalCanal", "Canal"),
        "CaudaEquina": ("CaudaEquina", "Cauda equina"),
        "External": ("External", "Outer Contour"),
        "Esophagus": ("Esophagus", "Eso"),
        "Bowel_Small": ("Bag_Bowel", "Spc_Bowel"),
        "Stomach": ("Stomach", "Stomach"),
        "Duodenum": ("Duodenum", "Duodenum"),
        "Kidney_L": ("Kidney_L", "L Kidney"),
        "Kidney_R": ("Kidney_R", "R Kidney"),
        "SacralPlex": ("SacralPlex", "LS Plexus"),
    },
    "pinnacle": {
        "PTV": ("PTV_{level}", "{level}_PTV"),
        "CTV": ("CTV_{level}", "{level}_CTV"),
        "GTV": ("GTV_{level}", "{level}_GTV"),
        "VB": ("{level}_body", "{level}_vertebra"),
        "SpinalCord": ("spinal_cord", "true_cord"),
        "SpinalCord_PRV": ("cord_prv{mm}", "spinal_cord_prv{mm}"),
        "ThecalSac": ("thecal_sac", "dural_sac"),
        "SpinalCanal": ("spinal_canal", "canal"),
        "CaudaEquina": ("cauda_equina", "cauda"),
        "External": ("external", "outline"),
        "Esophagus": ("esophagus", "esoph"),
        "Bowel_Small": ("small_bowel", "bowel_bag"),
        "Stomach": ("stomach", "stomach"),
        "Duodenum": ("duodenum", "duod"),
        "Kidney_L": ("lt_kidney", "kidney_l"),
        "Kidney_R": ("rt_kidney", "kidney_r"),
        "SacralPlex": ("sacral_plexus", "ls_plexus"),
    },
    "tomotherapy": {
        "PTV": ("PTV{level}", "PTV_{level}_VB"),
        "CTV": ("CTV{level}", "CTV_{level}_VB"),
        "GTV": ("GTV{level}", "GTV_{level}_VB"),
        "VB": ("VB {level}", "Corpus_{level}"),
        "SpinalCord": ("SPINAL CORD", "CORD"),
        "SpinalCord_PRV": ("CORD PRV {mm} MM", "CORD PRV{mm}"),
        "ThecalSac": ("THECAL SAC", "THECAL"),
        "SpinalCanal": ("SPINAL CANAL", "CANAL"),
        "CaudaEquina": ("CAUDA EQUINA", "CAUDA"),
        "External": ("BODY", "EXTERNAL"),
        "Esophagus": ("ESOPHAGUS", "OESOPHAGUS"),
        "Bowel_Small": ("BOWEL", "SMALL BOWEL"),
        "Stomach": ("STOMACH", "STOMACH"),
        "Duodenum": ("DUODENUM", "DUODENUM"),
        "Kidney_L": ("KIDNEY L", "LEFT KIDNEY"),
        "Kidney_R": ("KIDNEY R", "RIGHT KIDNEY"),
        "SacralPlex": ("SACRAL PLEXUS", "LS PLEXUS"),
    },
}
REGIONS = {"T": "胸", "L": "腰"}


def roi_name(
    structure: str,
    style: Style,
    variant: int,
    *,
    level: str = "T8",
    prv_mm: float | None = None,
) -> str:
    """Return the name of a structure in a style.

    Raises
    ------
    CaseError
        If the style has no name for the structure.

    Examples
    --------
    >>> roi_name("PTV", "chinese", 0, level="L2")
    'PTV_腰2'
    """
    if structure not in NAMES[style]:
        raise CaseError(Text("no name of {structure} is known", structure=structure))
    number = int(level[1:])
    return NAMES[style][structure][variant].format(
        level=level,
        padded=f"T{number:02d}" if level.startswith("T") else level,
        chinese=f"{REGIONS[level[0]]}{number}",
        mm=f"{prv_mm or 2.0:g}",
    )
