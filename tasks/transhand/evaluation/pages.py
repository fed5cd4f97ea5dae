"""The tables of an evaluation for people."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.markdown_tables import grid, shown

_DIGITS = 2
_ROOTS = ("middle", "wrist")
_ROWS = {
    "MPJPE": "mpjpe_{}_mm",
    "SMPJPE": "smpjpe_{}_mm",
    "MPVPE": "mpvpe_{}_mm",
    "SMPVPE": "smpvpe_{}_mm",
    "MRRPE": "mrrpe_{}_mm",
    "MRRPE as RenderIH's scripts print it": "mrrpe_released_{}_mm",
}
"""Metrics that depend on the root."""
_ROOTLESS = {
    "PA-MPJPE": "pa_mpjpe_mm",
    "PA-MPVPE": "pa_mpvpe_mm",
    "RRVE": "rrve_mm",
    "CDev, right to left": "cdev_right_to_left_mm",
    "CDev, left to right": "cdev_left_to_right_mm",
    "CDev, mean of both": "cdev_mm",
}
_BY_BIN = ("mpjpe_middle_mm", "smpjpe_middle_mm", "pa_mpjpe_mm", "mpvpe_middle_mm", "mrrpe_wrist_mm", "cdev_mm")
_WORST = 10
_LEGEND = (
    "Millimetres, means over images; lower is better. Joints are seen from the root of their own hand, which is the middle "
    "finger's MCP or the wrist. docs/evaluation.md defines every metric and says with whose numbers it can be compared."
)

Content = dict[str, Any]


def page(content: Content, each: pa.Table) -> str:
    """Markdown from the content of metrics.json and the table of all images."""
    parts = [_title(content), _both(content["metrics"]), _hands(content["metrics"]), _occlusion(content), _worst(each)]
    return "\n".join(parts)


def _title(content: Content) -> str:
    settings, missing = content["settings"], content["missing"]
    judged = f"{content['images']:,} images of the split {settings['split']}"
    name = f" ({settings['name']})" if "name" in settings else ""
    left_out = f"\n\n**{missing:,} images have no prediction and are left out.**" if missing else ""
    return f"# {settings['method']}{name}, {judged}{left_out}\n\n{_LEGEND}\n"


def _both(metrics: Content) -> str:
    rows = [[name, *(_mean(metrics, key.format(root)) for root in _ROOTS)] for name, key in _ROWS.items()]
    rows += [[name, _mean(metrics, key), ""] for name, key in _ROOTLESS.items()]
    touching = metrics.get("cdev_mm", {}).get("count", 0)
    note = f"\nHands touch in {touching:,} images: CDev is of these.\n"
    return "## Both hands\n\n" + grid(["", "middle MCP", "wrist"], rows) + note


def _hands(metrics: Content) -> str:
    keys = {name: key.format("middle") for name, key in list(_ROWS.items())[:4]} | dict(list(_ROOTLESS.items())[:2])
    rows = [[name, *(_mean(metrics, f"{side}.{key}") for side in ("right", "left"))] for name, key in keys.items()]
    return "## Each hand (root: middle MCP)\n\n" + grid(["", "right", "left"], rows)


def _occlusion(content: Content) -> str:
    names = {key.format(root): name for name, key in (_ROWS | _ROOTLESS).items() for root in _ROOTS}
    head = ["IoU of the hands", "images", *(names[key] for key in _BY_BIN), "std of MPJPE", "std over joints"]
    rows = [_bin_row(one) for one in content["occlusion"]]
    unseen = content["images"] - sum(one["images"] for one in content["occlusion"])
    note = f"\n{unseen:,} images more show no hand, or have unknown outlines.\n" if unseen else ""
    return "## By occlusion (MRRPE: wrists; others: middle MCP)\n\n" + grid(head, rows) + note


def _bin_row(one: Content) -> list[str]:
    metrics = one["metrics"]
    over_joints = [metrics.get(f"{side}.joint_errors_middle_mm", {}).get("std") for side in ("right", "left")]
    mean = None if None in over_joints else sum(over_joints) / 2
    spread = [metrics.get("mpjpe_middle_mm", {}).get("std"), mean]
    cells = [_mean(metrics, key) for key in _BY_BIN]
    return [one["iou"], f"{one['images']:,}", *cells, *(shown(value, _DIGITS) for value in spread)]


def _mean(metrics: Content, key: str) -> str:
    return shown(metrics.get(key, {}).get("mean"), _DIGITS)


def _worst(each: pa.Table) -> str:
    found = each.filter(pc.is_valid(each["mpjpe_middle_mm"])).sort_by([("mpjpe_middle_mm", "descending")])[:_WORST]
    columns = [found[name].to_pylist() for name in ("sample_id", "mpjpe_middle_mm", "pa_mpjpe_mm", "iou")]
    rows = [[name, *(shown(value, _DIGITS) for value in numbers)] for name, *numbers in zip(*columns, strict=True)]
    return "## The worst images\n\n" + grid(["", "MPJPE", "PA-MPJPE", "IoU"], rows)
