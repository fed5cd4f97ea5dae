"""To come."""

from fastapi import APIRouter

from dashboard.desk import Desk


def router(desk: Desk) -> APIRouter:
    """To come."""
    return APIRouter()
