"""The pages, one module each: `router(desk)` gives its addresses."""

from dashboard.pages import (
    assets,
    diversity,
    gallery,
    home,
    metrics,
    overview,
    pictures,
    quality,
    rating,
    sample,
    training,
    workers,
)

_PAGES = (assets, home, overview, workers, gallery, sample, pictures, quality, diversity, training, rating, metrics)
ROUTERS = tuple(page.router for page in _PAGES)
