"""The images in which a method errs least and most, with its hands over them: what no mean tells."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dataset.atomic import atomic_write
from dataset.training.augmentation import Augmentation, crop, draw
from dataset.training.batch import ImageBatch
from dataset.training.resample import resampled
from dataset.training.similarity import moved
from dataset.training.turned import unit_range
from hands.joints import Side
from models.two_hand_metrics.alignment import MIDDLE_MCP
from models.two_hand_metrics.measuring import Measured, TwoHands
from tasks.transhand.evaluation.methods import Answer
from tasks.transhand.evaluation.truth import Bodies, TruthBatch
from tasks.transhand.pictures import SMALLEST, Drawn, as_jpeg, crop_picture, fitting, painted_over

ERROR = "mpjpe_middle_mm"
"""The metric that decides."""
MOST = 8
"""Images of either kind."""
_TILE, _GAP, _CAPTION = 192, 6, 18
_FAR = 1e5
"""Pixels, beyond which no place is painted."""
_PAPER, _INK = "#ffffff", "#33353a"


class Seen(NamedTuple):
    """An image and what a method sees in it."""

    error: float
    """Of `ERROR`, millimetres."""
    name: str
    picture: Image.Image
    """The square about both hands."""
    hands: list[Drawn]
    """Right, left."""


@dataclass(eq=False)
class Extremes:
    """Best and worst so far; of methods that see surfaces, in images whose truth is known."""

    bodies: Bodies
    most: int = MOST
    best: list[Seen] = field(default_factory=list)
    """The smallest error first."""
    worst: list[Seen] = field(default_factory=list)
    """The largest error first."""
    judged: int = 0

    def add(self, truth: TruthBatch, answer: Answer, found: Measured) -> None:
        """Look at a batch: what is true, what the method says, and its errors."""
        if not answer.rows or answer.hands.right.vertices is None or answer.hands.left.vertices is None:
            return
        for number, error in enumerate(found[ERROR].tolist()):
            if math.isnan(error):
                continue
            self.judged += 1
            entered = [
                (kept, sign) for kept, sign in ((self.best, 1), (self.worst, -1)) if self._enters(kept, sign, error)
            ]
            if entered:
                row = answer.rows[number]
                image = truth.images[row : row + 1]
                seen = self._seen(error, image, _at(truth.hands, row), _at(answer.hands, number))
            for kept, sign in entered:
                kept.append(seen)
                kept.sort(key=lambda one: sign * one.error)
                del kept[self.most :]

    def write(self, file: Path) -> bool:
        """Draw the sheet, no image of which is both among the best and the worst; False, and no file, without images."""
        count = min(self.most, -(-self.judged // 2))
        if not count:
            return False
        rows = [("best", self.best[:count]), ("worst", self.worst[: min(count, self.judged - count)])]
        atomic_write(file, as_jpeg(_sheet([(title, row) for title, row in rows if row])))
        return True

    def _enters(self, kept: list[Seen], sign: int, error: float) -> bool:
        return len(kept) < self.most or sign * error < sign * kept[-1].error

    def _seen(self, error: float, image: ImageBatch, true: TwoHands, predicted: TwoHands) -> Seen:
        """The method's hands, both moved alike: it does not tell where the origin is, so their MCPs lie about the true ones."""
        true_roots, roots = (
            torch.cat([hands.right.joints, hands.left.joints])[:, MIDDLE_MCP].to(image.K) for hands in (true, predicted)
        )
        shift = (true_roots - roots).nanmean(0)  # NaN: a hand that is not known
        ranges = Augmentation.none(SMALLEST)
        matrix = crop(image, ranges, draw(ranges, 1, torch.Generator(), image.image.device))
        picture = crop_picture(resampled(unit_range(image.image), matrix, ranges.size)[0])
        hands = []
        for side in Side:
            vertices = getattr(predicted, side.value).vertices.to(image.K) + shift
            places = moved(_projected(vertices, image.K), matrix)[0].clamp(-_FAR, _FAR)
            faces = self.bodies.models[side].arrays.faces
            hands.append(Drawn(vertices[0].cpu().numpy(), places.cpu().numpy(), faces))
        return Seen(error, image.sample_ids[0], picture, hands)


def _at(hands: TwoHands, row: int) -> TwoHands:
    return hands.map(lambda points: points[row : row + 1])


def _projected(points: Float[Tensor, "1 n 3"], K: Float[Tensor, "1 3 3"]) -> Float[Tensor, "1 n 2"]:
    seen = points @ K.mT
    return seen[..., :2] / seen[..., 2:].clamp(min=1e-6)


def _sheet(rows: list[tuple[str, list[Seen]]]) -> Image.Image:
    """Two lines of pictures a row: as they are, and with the hands over them."""
    step = _TILE + _GAP
    across = max(len(row) for _, row in rows)
    high = 2 * step + _CAPTION
    sheet = Image.new("RGB", (across * step + _GAP, len(rows) * high + _GAP), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for line, (title, row) in enumerate(rows):
        for column, seen in enumerate(row):
            x, y = _GAP + column * step, _GAP + line * high
            about = f"{title} {column + 1}: {seen.error:.1f} mm  "
            name = fitting(seen.name, font, _TILE - font.getlength(about))
            pen.text((x, y), about + name, fill=_INK, font=font)
            pictures = seen.picture, painted_over(seen.picture, seen.hands, seen.picture.width)
            for number, picture in enumerate(pictures):
                sheet.paste(picture.resize((_TILE, _TILE)), (x, y + _CAPTION + number * step))
    return sheet
