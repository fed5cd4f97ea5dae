"""Who works on a run, how each gets on, and who has made what."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from dashboard.desk import Desk
from dashboard.progress.crew import Crew, average
from dashboard.progress.makers import work_of
from dashboard.progress.timeline import timeline
from dashboard.watching.run import RunState

PAGE = 40
"""Workers on a page; the others are a square each."""
_FLEET = 12
"""Workers from which on there is a square for each, and a field to find one."""
_LEFT = 60
"""That have left and are listed, at most."""
_FEW_LEFT = 3
"""That have left and are shown without being asked for."""
_MAKERS = 40
"""Lines of a stage in the table of who made what."""
_WORDS = 80
"""Characters that are looked for at most."""


def router(desk: Desk) -> APIRouter:
    """`/runs/NAME/workers`, with `find` (words) and `page` (from 1)."""
    routes = APIRouter()

    @routes.get("/runs/{name}/workers")
    def workers(request: Request, name: str, find: str = "", page: str = "1") -> Response:
        run = desk.run(name)
        words, number = find.strip()[:_WORDS], int(page) if page.isdecimal() and len(page) < 6 else 1
        return desk.page(request, "workers.html", "workers", lambda: _content(run.state, words, number), run)

    return routes


def _content(state: RunState, words: str, page: int) -> Mapping[str, Any]:
    crew, work = Crew(state.workers), work_of(state.history)
    present = [member for member in crew.present if member.matches(words)]
    pages = max(1, -(-len(present) // PAGE))
    page = min(max(page, 1), pages)
    gpus = crew.gpus
    return {
        "crew": crew,
        "shown": present[(page - 1) * PAGE : page * PAGE],
        "found": len(present),
        "page": page,
        "pages": pages,
        "find": words,
        "is_fleet": len(crew.members) > _FLEET,
        "left": [member for member in crew.left if member.matches(words)][:_LEFT],
        "few_left": _FEW_LEFT,
        "gpu_use": average(gpu.use_percent for gpu in gpus),
        "hottest": max((gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None), default=None),
        "work": work,
        "made_by": len({maker.name for part in work for maker in part.makers}),
        "shards": sum(part.total.shards for part in work),
        "seconds": sum(part.total.seconds for part in work),
        "most_makers": _MAKERS,
        "timeline": timeline(state),
    }
