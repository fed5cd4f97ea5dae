"""The figures of a natural discriminator as one picture: loss, calibration, probability against offset."""

from tasks.line_figure import line_figure, panel


def naturalness_figure(metrics: dict) -> str:
    """An SVG of three panels from the figures of `metrics.json`; everything is of poses that the networks never saw."""
    curve, config = metrics["curve"], metrics["config"]
    epochs = range(1, len(curve["training"]) + 1)
    worst = max(curve["training"] + curve["held_out"])
    half = config["labels"]["half_degrees"]
    farthest = max(row["degrees"] for row in metrics["by_offset"])
    panels = (
        panel(
            "Loss after each epoch",
            ("epoch", len(epochs)),
            worst,
            ("learned from", list(zip(epochs, curve["training"], strict=True))),
            ("held out", list(zip(epochs, curve["held_out"], strict=True))),
        ),
        panel(
            "Calibration",
            ("mean prediction", 1.0),
            1.0,
            ("mean label", [(row["predicted"], row["label"]) for row in metrics["calibration"]]),
            ("perfect", [(0, 0), (1, 1)]),
        ),
        panel(
            "Probability by offset",
            ("offset, degrees r.m.s.", farthest),
            1.0,
            ("prediction", [(row["degrees"], row["predicted"]) for row in metrics["by_offset"]]),
            (f"1 / (1 + (x / {half:g}°)²)", [(x, 1 / (1 + (x / half) ** 2)) for x in _steps(farthest)]),
        ),
    )
    return line_figure(panels)


def _steps(end: float, count: int = 40) -> list[float]:
    return [end * k / count for k in range(count + 1)]
