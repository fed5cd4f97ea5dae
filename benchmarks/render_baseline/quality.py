"""How far a picture is from its reference: PSNR, SSIM (Wang et al. 2004) and FLIP for 8-bit pictures (Andersson et al. 2020).

Each gives a value for a region: measures are maps over the whole picture, of which the region's mean is taken.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

LUMA = np.array([0.2126, 0.7152, 0.0722])
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to CIE XYZ, D65."""
WHITE = TO_XYZ.sum(axis=1)
PIXELS_PER_DEGREE = 67.02
"""A 0.7 m wide screen of 3,840 pixels at 0.7 m (FLIP §4, the authors' default)."""
CONTRAST = (((1.0, 0.0047), (0.0, 1e-5)), ((1.0, 0.0053), (0.0, 1e-5)), ((34.1, 0.04), (13.5, 0.025)))
"""FLIP table 1: amplitude and width of two Gaussians for the achromatic, red-green and blue-yellow channel."""
COLOUR_POWER, COLOUR_KNEE, COLOUR_TOP = 0.7, 0.4, 0.95
FEATURE_WIDTH, FEATURE_POWER = 0.082, 0.5


def scores(
    image: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"], region: Bool[np.ndarray, "h w"]
) -> dict[str, float]:
    """`psnr` in dB (higher is better), `ssim` (1 is equal), `flip` (0 is equal), over the region."""
    error = (image.astype(float) - reference.astype(float))[region]
    return {
        "psnr": 10 * float(np.log10(255**2 / max((error**2).mean(), 1e-12))),
        "ssim": float(ssim_map(image, reference)[region].mean()),
        "flip": float(flip_map(image, reference)[region].mean()),
    }


def ssim_map(image: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Structural similarity of the luma, window of 11 × 11 with σ = 1.5, K₁ = 0.01 and K₂ = 0.03."""
    x, y = image @ LUMA, reference @ LUMA
    blur = lambda values: ndimage.gaussian_filter(values, 1.5, radius=5)  # noqa: E731
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    both = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


def flip_map(image: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Perceived difference of each pixel, 0 to 1."""
    first, second = _opponent(image), _opponent(reference)
    colour = _redistributed(_hyab(_perceived(first), _perceived(second)) ** COLOUR_POWER)
    feature = _feature_difference((first[..., 0] + 16) / 116, (second[..., 0] + 16) / 116)
    return colour ** (1 - feature)


def _opponent(image: np.ndarray) -> np.ndarray:
    """8-bit sRGB to the linear opponent space YCxCz."""
    encoded = image.astype(float) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    x, y, z = np.moveaxis(linear @ TO_XYZ.T / WHITE, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _perceived(opponent: np.ndarray) -> np.ndarray:
    """What the eye resolves (contrast sensitivity as Gaussians), in CIELAB with Hunt's effect: colours fade in the dark."""
    seen = np.stack([_sensitivity(opponent[..., i], CONTRAST[i]) for i in range(3)], axis=-1)
    y = (seen[..., 0] + 16) / 116
    xyz = np.stack([y + seen[..., 1] / 500, y, y - seen[..., 2] / 200], axis=-1) * WHITE
    return _hunt(np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1))


def _hunt(linear: np.ndarray) -> np.ndarray:
    relative = linear @ TO_XYZ.T / WHITE
    step = 6 / 29
    f = np.where(relative > step**3, np.cbrt(relative), relative / (3 * step**2) + 4 / 29)
    light = 116 * f[..., 1] - 16
    a, b = 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])
    return np.stack([light, 0.01 * light * a, 0.01 * light * b], axis=-1)


def _hyab(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    difference = first - second
    return np.abs(difference[..., 0]) + np.hypot(difference[..., 1], difference[..., 2])


def _redistributed(error: np.ndarray) -> np.ndarray:
    """Errors up to 1: small ones take most of the range, the largest is that of green beside blue."""
    green, blue = _hunt(np.array([0.0, 1.0, 0.0])), _hunt(np.array([0.0, 0.0, 1.0]))
    most = _hyab(green, blue) ** COLOUR_POWER
    knee = COLOUR_KNEE * most
    above = COLOUR_TOP + (error - knee) / (most - knee) * (1 - COLOUR_TOP)
    return np.where(error < knee, COLOUR_TOP / knee * error, above)


def _sensitivity(channel: np.ndarray, gaussians: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Convolve with a sum of Gaussians; as that is no product of one row and one column, each is applied by itself."""
    widest = max(width for pairs in CONTRAST for _, width in pairs)
    radius = int(np.ceil(3 * np.sqrt(widest / (2 * np.pi**2)) * PIXELS_PER_DEGREE))
    degrees = np.arange(-radius, radius + 1) / PIXELS_PER_DEGREE
    total, weight = np.zeros_like(channel), 0.0
    for amplitude, width in gaussians:
        line = np.exp(-(np.pi**2) * degrees**2 / width)
        factor = amplitude * np.sqrt(np.pi / width)
        total += factor * _separable(channel, line, line)
        weight += factor * line.sum() ** 2
    return total / weight


def _feature_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    spread = 0.5 * FEATURE_WIDTH * PIXELS_PER_DEGREE
    x = np.arange(-int(np.ceil(3 * spread)), int(np.ceil(3 * spread)) + 1)
    line = np.exp(-(x**2) / (2 * spread**2))
    edge, point = _signed(-x * line), _signed((x**2 / spread**2 - 1) * line)
    smooth = line / line.sum()
    strength = lambda image, across: np.hypot(_separable(image, smooth, across), _separable(image, across, smooth))  # noqa: E731
    edges = np.abs(strength(first, edge) - strength(second, edge))
    points = np.abs(strength(first, point) - strength(second, point))
    return (np.maximum(edges, points) / np.sqrt(2)) ** FEATURE_POWER


def _signed(weights: np.ndarray) -> np.ndarray:
    """Positive weights sum to 1, negative ones to −1."""
    positive, negative = weights.clip(min=0), weights.clip(max=0)
    return positive / positive.sum() - negative / negative.sum()


def _separable(image: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Correlation with the outer product of two lines; borders repeat the last pixel."""
    return ndimage.correlate1d(ndimage.correlate1d(image, down, 0, mode="nearest"), across, 1, mode="nearest")
