"""The pages, one module each: `router(desk)` gives its addresses."""

from dashboard.pages import assets, home, overview

ROUTERS = (assets.router, home.router, overview.router)
"""In the order in which addresses are tried."""
