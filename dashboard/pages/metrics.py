"""Figures for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from dashboard.desk import Desk
from dashboard.metrics import DeskCollector


def router(desk: Desk) -> APIRouter:
    """`/metrics`: runs, workers and trainings as they were seen last, and what the dashboard itself uses."""
    routes = APIRouter()
    registry = CollectorRegistry()
    registry.register(DeskCollector(desk))
    ProcessCollector(registry=registry)

    @routes.get("/metrics")
    def metrics(request: Request) -> Response:
        write, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(write(registry), headers={"Cache-Control": "no-store", "Content-Type": media_type})

    return routes
