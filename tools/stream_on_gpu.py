# SPDX-License-Identifier: Apache-2.0
r"""One GPU, twelve minutes: the streaming model from nothing to weights and scores.

    python tools/stream_on_gpu.py --out gpu

Simulates on all cores while it trains, both stages one after the other, then exports and scores on
simulated sensors that training never saw, by the commands of the model card. Each writes its log to
the folder. A run that was cut off goes on where it was. Without a GPU the same runs on the CPU:

    python tools/stream_on_gpu.py --out cpu --minutes 5 --batch 4 --episodes 8 --validation 4 \
        --test 2 --limit-minutes 10
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

SHARES = {"stream": 0.6, "stream-heads": 0.1}
"""Of all minutes that either stage may compute; the rest is for looking at the episodes, export and
scores."""
RATE = "3e-3"


def main() -> int:
    """Run what is to be run; the exit code of the first command that fails."""
    arguments = _parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60.0 * (arguments.limit_minutes or arguments.minutes)
    for name, words in plan(arguments):
        code = _call(name, words, arguments.out, max(end - time.monotonic(), 1.0))
        if code:
            sys.stderr.write(f"{name}: failed, see {arguments.out / name}.log\n")
            return code
    sys.stdout.write((arguments.out / "scores.log").read_text())
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write, or to go on in")
    parser.add_argument("--minutes", type=float, default=12.0, help="of everything together")
    parser.add_argument("--limit-minutes", type=float, help="until it gives up (default: as many)")
    parser.add_argument("--batch", type=int, default=64, help="sequences per step")
    parser.add_argument("--episodes", type=int, default=2000, help="before the first step ends")
    parser.add_argument("--validation", type=int, default=96, help="episodes of validation")
    parser.add_argument("--test", type=int, default=72, help="test episodes to score")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    return parser.parse_args()


def plan(arguments: argparse.Namespace) -> list[tuple[str, list]]:
    """The commands in order: name of the log, words after `sparsh-ros`."""
    out, workers = arguments.out, ["--workers", arguments.workers]
    minutes = {stage: round(share * arguments.minutes, 3) for stage, share in SHARES.items()}
    common = ["--episodes", out / "episodes", "--validation", arguments.validation, *workers]
    first, second = out / "first", out / "second"
    train = ["train", "stream", "--run", first, "--minutes", minutes["stream"]]
    train += ["--batch", arguments.batch, "--first-episodes", max(4, arguments.episodes // 16)]
    train += ["--episodes-per-step", 2, "--learning-rate", RATE, *common]
    heads = ["train", "stream-heads", "--run", second, "--start", first / "best.pt"]
    heads += ["--minutes", minutes["stream-heads"], "--first-episodes", arguments.episodes // 2]
    heads += ["--skip", arguments.episodes]
    weights = out / "weights"
    publish = ["train", "stream-publish", "--runs", second, "--episodes", out / "episodes"]
    test = ["simulate", "--out", out / "test", "--split", "test", "--duration", 2.5]
    scores = ["train", "stream-scores", "--data", out / "test", "--beside"]
    return [
        ("test", [*test, "--episodes", arguments.test, *workers]),
        ("stream", train),
        ("stream-heads", [*heads, *common]),
        ("stream-publish", [*publish, "--validation", arguments.validation, "--out", weights]),
        ("scores", [*scores, "--weights-dir", weights, "--out", out / "scores.json"]),
    ]


def _call(name: str, words: list, out: Path, limit_s: float) -> int:
    """Run a command with a log of its own; its exit code, 1 where the time was over."""
    command = [sys.executable, "-m", "sparsh_ros.cli", *map(str, words)]
    with (out / f"{name}.log").open("w") as log:
        try:
            return subprocess.run(command, stdout=log, stderr=log, timeout=limit_s).returncode
        except subprocess.TimeoutExpired:
            log.write(f"stopped: the {limit_s:.0f} s that were left are over\n")
            return 1


if __name__ == "__main__":
    sys.exit(main())
