# SPDX-License-Identifier: Apache-2.0
"""One GPU, twelve minutes: the five recipes one after the other, then the table of the benchmark.

Runs unattended, one command after the other, each with a limit of time and a log of its own. What
is done is kept: the same line again goes on where it was. Data are made before, without a GPU:

    sparsh-ros simulate --out data --split train --episodes 120        # and validation, test
    python tools/train_on_gpu.py --data data --out gpu

Writes `gpu/summary.json` and `gpu/summary.md`: the peak of the device in bfloat16, as a product of
large matrices reaches it; by recipe the images per second, and the share of that peak that the
arithmetic of a training step comes to; and the table. Without a GPU the same runs on the CPU:

    python tools/train_on_gpu.py --data small --out cpu --size nano --minutes 3 --matrix 512
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from sparsh_ros.bench.gpu import measure_peak
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.pretraining.models import RECIPES, model_spec
from sparsh_ros.training.tacbench.bench import read_cells
from sparsh_ros.training.tacbench.table import MEASURES

SHARE_OF_RECIPES = 0.55  # of all minutes; the rest is for the table
SPARE_S = 60.0  # a run may take longer than its trial told, and has data to read first
_COUNTED = 4


def main() -> int:
    """Do what is not done yet; exit code 1 if a command failed or ran out of time."""
    arguments = _parse()
    out, end = arguments.out, time.monotonic() + 60.0 * arguments.minutes
    out.mkdir(parents=True, exist_ok=True)
    peak = _kept(out / "peak.json", lambda: measure_peak(arguments.matrix))
    minutes = SHARE_OF_RECIPES * arguments.minutes / len(arguments.recipes)
    failed = [name for name in arguments.recipes if not _pretrain(name, arguments, minutes)]
    trained = [name for name in arguments.recipes if (out / name / f"{name}.json").is_file()]
    if trained and not _bench(trained, arguments, max(end - time.monotonic(), SPARE_S)):
        failed.append("tacbench")
    recipes = {name: describe(name, arguments, peak["flop_per_s"]) for name in trained}
    write_summary(out, peak, recipes, failed)
    sys.stdout.write((out / "summary.md").read_text())
    return int(bool(failed))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="from `sparsh-ros simulate`")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, or to go on in")
    parser.add_argument("--minutes", type=float, default=12.0, help="of everything together")
    parser.add_argument("--size", default="small", help="of the encoders")
    parser.add_argument("--batch", type=int, default=256, help="images per step")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--tasks", nargs="+", default=["force", "slip", "pose"])
    parser.add_argument("--budgets", nargs="+", default=["33", "100", "10", "1"])
    parser.add_argument("--steps", type=int, default=300, help="of each head")
    parser.add_argument(
        "--matrix", type=int, default=8192, help="rows of those that are multiplied"
    )
    return parser.parse_args()


def _kept(path: Path, measure) -> dict:
    """What a file holds, measured first where there is none."""
    if not path.is_file():
        path.write_text(json.dumps(measure()))
    return json.loads(path.read_text())


def flop_per_image(name: str, size: str) -> float:
    """Floating point operations of a training step, forward and backward, per image."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    spec = model_spec(name, size, Path("."))
    recipe = RECIPES[name](VisionTransformer.from_spec(spec)).to(device)
    shape = (_COUNTED, len(spec.frame_offsets_s), spec.image_height, spec.image_width, 3)
    clips = torch.randint(120, 135, shape, dtype=torch.uint8, device=device)
    draw = recipe.draw(np.random.default_rng(0), _COUNTED)
    draw = {key: value.to(device) for key, value in draw.items()}
    with FlopCounterMode(display=False) as counter:
        recipe(clips, draw, 0.0)["loss"].backward()
    return counter.get_total_flops() / _COUNTED


def _pretrain(name: str, arguments: argparse.Namespace, minutes: float) -> bool:
    run = arguments.out / name
    if (run / f"{name}.json").is_file():
        return True
    words = ["train", name, "--size", arguments.size, "--data", arguments.data, "--run", run]
    words += ["--minutes", minutes, "--batch", arguments.batch, "--checkpoint-steps", 50]
    if (run / name / f"{name}.pt").is_file():
        words.append("--resume")
    return _call(words, arguments.out / f"{name}.log", 60.0 * minutes + SPARE_S)


def _bench(trained: list[str], arguments: argparse.Namespace, limit_s: float) -> bool:
    """All encoders at the first budget first; what is not reached stays empty."""
    out = arguments.out
    words = ["bench", "tacbench", "--encoders", *(out / name for name in trained)]
    words += ["--data", arguments.data, "--out", out / "tacbench", "--seeds", 0]
    words += ["--tasks", *arguments.tasks, "--budgets", *arguments.budgets]
    words += ["--steps", arguments.steps]
    return _call(words, out / "tacbench.log", limit_s)


def _call(words: list, log: Path, limit_s: float) -> bool:
    """Run a command of the package; whether it ended well and in time."""
    command = [sys.executable, "-m", "sparsh_ros.cli", *map(str, words)]
    with log.open("a") as file:
        file.write(f"$ sparsh-ros {' '.join(command[3:])}\n")
        file.flush()
        try:
            done = subprocess.run(command, stdout=file, stderr=file, timeout=limit_s)
        except subprocess.TimeoutExpired:
            file.write(f"stopped after {limit_s:.0f} s\n")
            return False
    return done.returncode == 0


def describe(name: str, arguments: argparse.Namespace, peak: float) -> dict[str, float]:
    """What a recipe reached."""
    run = json.loads((arguments.out / name / f"{name}.json").read_text())
    flop = flop_per_image(name, arguments.size)
    return {
        "images_per_s": run["images_per_s"],
        "images": run["pairs"],
        "held_out_loss": run["held_out"]["loss"],
        "gigaflop_per_image": flop / 1e9,
        "share_of_peak": flop * run["images_per_s"] / peak,
    }


def write_summary(out: Path, peak: dict, recipes: dict[str, dict], failed: list[str]) -> None:
    """`summary.json` and `summary.md`, with the cells of the table that are there."""
    cells = out / "tacbench" / "cells.jsonl"
    records = read_cells(cells)
    found = {"peak": peak, "recipes": recipes, "failed": failed, "cells": records}
    (out / "summary.json").write_text(json.dumps(found, indent=2) + "\n")
    lines = [
        f"{peak['device']}: {peak['flop_per_s'] / 1e12:.2f} Tflop/s in bfloat16",
        "",
        "| recipe | images/s | images | Gflop/image | share of the peak | held-out loss |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, values in recipes.items():
        lines.append(
            f"| {name} | {values['images_per_s']:.0f} | {values['images']:.0f} | "
            f"{values['gigaflop_per_image']:.3g} | {values['share_of_peak']:.1%} | "
            f"{values['held_out_loss']:.4g} |"
        )
    lines += ["", "| task | encoder | labels | score |", "|---|---|---:|---:|"]
    for record in records:
        measure = MEASURES[record["task"]][0]
        score = f"{record['scores'][measure.key]:.{measure.digits}f} {measure.unit}".rstrip()
        labels = f"{record['budget']:.0%}"
        lines.append(f"| {measure.title} | {record['encoder']} | {labels} | {score} |")
    if failed:
        lines += ["", f"Not done: {', '.join(failed)}; see the logs, and run it again to go on."]
    (out / "summary.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
