# SPDX-License-Identifier: Apache-2.0
"""One GPU, at most ten minutes: a large encoder with three heads on many sensors at once.

    python tools/bench_on_gpu.py --out gpu_bench

Writes `gpu_bench/summary.json` and `summary.md`: the peak of the device in bfloat16, as a product
of large matrices reaches it; for batches of 1, 4, 16 and 64 pairs the milliseconds from uint8
images on the host to the numbers of all heads, and the share of that peak; and how many sensors at
60 Hz are served with 99 of 100 passes below 16.7 ms: eager and as one CUDA graph, in float32 and in
bfloat16. Weights are random. Each way is written down when it is done; what is not reached in time
stays empty. Needs torch, safetensors and what the package needs. The same, small, on a CPU:

    python tools/bench_on_gpu.py --out cpu_bench --device cpu --size nano --matrix 256 --runs 3
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch

from sparsh_ros.bench import gpu

BATCHES = (1, 4, 16, 64)


def main() -> int:
    """Measure, write, print; exit code 1 where a graph gives other numbers, or time ran out."""
    arguments = _parse()
    end_s = time.monotonic() + 60.0 * arguments.minutes
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        spec = gpu.random_model(arguments.size, Path(folder))
        found = {
            "size": arguments.size,
            "peak": gpu.measure_peak(arguments.matrix),
            "flop_per_image": gpu.flop_per_image(spec),
            "graph_differs_by": gpu.difference(spec, arguments.device),
            "ways": [],
        }
        ways = gpu.measure(spec, arguments.device, arguments.batches, arguments.runs, end_s)
        for way in ways:
            found["ways"].append(way)
            _write(arguments.out, found, arguments.batches)
    sys.stdout.write((arguments.out / "summary.md").read_text())
    whole = len(found["ways"]) == len(gpu.WAYS)
    return int(not whole or found["graph_differs_by"] > arguments.tolerance)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--minutes", type=float, default=8.0, help="after that nothing new begins")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--size", default="base", help="of the encoder")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--runs", type=int, default=200, help="passes of each kind")
    parser.add_argument("--matrix", type=int, default=8192, help="rows of those for the peak")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of a graph's numbers")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU that torch can use; --device cpu measures on the CPU")
    return arguments


def _write(out: Path, found: dict, batches: list[int]) -> None:
    (out / "summary.json").write_text(json.dumps(found, indent=2) + "\n")
    peak, flop = found["peak"], found["flop_per_image"]
    lines = [
        f"{peak['device']}: {peak['flop_per_s'] / 1e12:.2f} Tflop/s in bfloat16; {found['size']}: "
        f"{flop / 1e9:.3g} Gflop per pair; graph and eager differ by "
        f"{found['graph_differs_by']:.2g}",
        "",
        "| | " + " | ".join(f"batch {n}, ms (share of peak)" for n in batches) + " | sensors |",
        "|---|" + "---:|" * (len(batches) + 1),
    ]
    for way in found["ways"]:
        cells = [_cell(way["ms"].get(n), n * flop / peak["flop_per_s"]) for n in batches]
        lines.append(f"| {way['way']} | {' | '.join(cells)} | {way['sensors_at_60_hz']} |")
    (out / "summary.md").write_text("\n".join(lines) + "\n")


def _cell(ms: float | None, least_s: float) -> str:
    return "" if ms is None else f"{ms:.2f} ({least_s / (1e-3 * ms):.1%})"


if __name__ == "__main__":
    sys.exit(main())
