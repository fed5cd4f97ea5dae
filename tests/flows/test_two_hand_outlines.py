"""Outlines drawn from surfaces, where recorded images have no masks, against Cycles' own amodal masks."""

import torch

from dataset.assets.hand_files import load_hands
from dataset.manifest import Manifest
from tasks.transhand.evaluation.truth import Bodies, Wanted, open_images, truth_batches


def test_drawn_outlines_overlap_as_rendered_masks_do(made, tmp_path):
    hands = load_hands()
    bodies, found = Bodies.of(hands), []
    for split in Manifest.read(made).splits:
        for masks in (True, False):
            images = open_images(Wanted(str(made), split), hands, tmp_path, masks)
            found.append(torch.cat([batch.iou for batch in truth_batches(images, bodies)]))
    rendered, drawn = torch.cat(found[::2]), torch.cat(found[1::2])
    assert len(rendered) > 2 and rendered.max() > 0.02
    torch.testing.assert_close(drawn, rendered, rtol=0, atol=0.02)
