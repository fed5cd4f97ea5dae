"""What the papers found with people, to be read beside own results."""

from typing import NamedTuple

RENDERIH = (
    "RenderIH: A Large-scale Synthetic Dataset for 3D Interacting Hand Pose Estimation (ICCV 2023), Table 3: "
    "20 persons, 30 pictures of each category; answers and intervals are not given"
)
IHDIFF = (
    "The study of 3D Interacting Hands Diffusion Model (Section 5.2) has the same four answers: 33 users, 16 questions for "
    "each two methods, sides at random; its shares are drawn in Figures 4 and 5 and not given as numbers"
)


class Known(NamedTuple):
    """A published natural rate."""

    name: str
    rate: float


TABLE_3 = (
    Known("Raw poses (InterHand2.6M)", 0.9082),
    Known("Optimised with discriminator", 0.8125),
    Known("Optimised without discriminator", 0.5468),
    Known("Augmented poses", 0.3292),
)
