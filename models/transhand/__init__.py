"""TransHand: both hands' surfaces from one image (RenderIH, ICCV 2023, §4)."""
