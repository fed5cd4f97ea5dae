"""Where an image's time goes, from Cycles' own clock and the worker's; docs/rendering.md shows a table."""

PREPARE = "prepare"
"""Vertices, camera, light and skins into the scene."""
ENVIRONMENT = "environment"
"""Reading, judging and metering a map, when it is not the one of the image before."""
SYNC = "cycles sync"
"""Cycles takes the changes: ray tree, importance map, textures (its own `synchronization_time`)."""
RENDER = "cycles render"
"""Cycles traces and denoises (its own `render_time`)."""
BLENDER = "blender"
"""The rest of Blender's render command: dependency graph, compositor, files."""
COLLECT = "collect"
"""Reading the picture and the coverage back."""
PIPE = "pipe"
"""Between the supervisor's call and its result, outside the worker: packing, transfer, waking up."""

STAGES = (PREPARE, ENVIRONMENT, SYNC, RENDER, BLENDER, COLLECT, PIPE)


def cycles_seconds(text: str) -> float:
    """Cycles' durations, `[hours:]minutes:seconds`, in seconds."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def outside_share(stages: dict[str, float]) -> float:
    """Share of an image's time in which Cycles neither traces nor denoises, 0–1."""
    total = sum(stages.values())
    return 1 - stages.get(RENDER, 0.0) / total if total else 0.0
