"""The colour of skin: light that passes melanin, blood and carotene is absorbed exponentially (Beer–Lambert).

The constants were fitted to targets chosen for this project, not to spectra: with blood 0.4, melanin from 0.03 to 0.95
gives CIE L* 72 to 28 with a* near 11 and b* 16 to 13. Averages of 148 Asians are L* 64, a* 9, b* 18 (Yun et al., Skin
Research and Technology, 2010, doi 10.1111/j.1600-0846.2010.00434.x), of 600 Koreans 62, 10, 17 (Han et al., 2006).
"""

import numpy as np
from jaxtyping import Float

BLOODLESS = (0.690, 0.538, 0.388)
"""Linear albedo of skin without pigment and blood."""
MELANIN = (2.04, 2.40, 2.62)
"""Absorption (natural logarithm of albedo) of the darkest skin for red, green and blue."""
BLOOD = (0.10, 0.55, 0.42)
"""The same of the reddest skin."""
CAROTENE = (0.01, 0.10, 0.50)
"""The same of the yellowest skin."""
CLASSES = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
"""Individual typology angle above which skin belongs to each class; below the last one it is dark (Chardon et al., 1991)."""
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(1)


def albedo(melanin: float, haemoglobin: float, carotene: float) -> Float[np.ndarray, "3"]:
    """Linear red, green and blue that even skin reflects, 0–1."""
    absorbed = melanin * np.array(MELANIN) + haemoglobin * np.array(BLOOD) + carotene * np.array(CAROTENE)
    return np.array(BLOODLESS) * np.exp(-absorbed)


def lab(linear: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
    """CIE L*, a*, b* (D65) of linear sRGB."""
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def typology(linear: Float[np.ndarray, "3"]) -> tuple[float, str]:
    """Individual typology angle, arctan((L* − 50) / b*) in degrees, and the name of its class."""
    lightness, _, yellow = lab(linear)
    angle = float(np.degrees(np.arctan2(lightness - 50, yellow)))
    return angle, next((name for least, name in CLASSES if angle > least), "dark")
