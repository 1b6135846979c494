"""Peak memory of whole processes beside what they were given, and how it grows with the picture.

    python -m benchmarks.memory [--networks vgg19] [--sides 512 2048 4096] [--memory 1GB 2GB 4GB]
                                [--device cuda]
    python -m benchmarks.memory --networks vgg19-lite --sides 8192 --memory 8GB --evaluation

Each row is a process of its own that takes one step at the full size, square, as the command line
would: pictures, targets, evaluations, the optimiser, a checkpoint and the picture itself. With
`--evaluation` it is one evaluation alone, and its time. VGG-19 has random parameters. On a GPU it
is that one's memory which is given and counted, all that is taken of it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.evaluation import CONTENT_LAYER, made
from vangram.cli.allocator import keep_freed_memory, let_segments_grow
from vangram.optimize import Level
from vangram.run import Checkpoint, Run, write_checkpoint
from vangram.run.plan import LevelPlan, plan_run
from vangram.run.resized import first_image, resize_inputs
from vangram.settings.text import parse_memory

PICTURE = 512
"""Pixels a side of the pictures given."""
KILO = 1024
"""What Linux counts a process's memory in, in bytes."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=CONTENT_LAYER, default=["vgg19"])
    parser.add_argument("--sides", nargs="+", type=int, default=[512, 2048, 4096])
    parser.add_argument("--memory", nargs="+", default=["1GB", "2GB", "4GB"])
    parser.add_argument("--evaluation", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print("| network | side | given | plan | peak | of what was given | time |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        for memory in options.memory:
            before: tuple[int, float] | None = None
            for side in options.sides:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    given = (name, side, parse_memory(memory), options.evaluation, options.device)
                    plan, peak, seconds = pool.apply(run, given)
                share = f"{peak / 1e9:.2f} GB | {peak / parse_memory(memory):.2f}"
                print(f"| {name} | {side} | {memory} | {plan} | {share} | {seconds:.0f} s |")
                if before:
                    growth = (peak - before[1]) / (side**2 - before[0] ** 2)
                    print(f"<!-- {growth:.0f} bytes per pixel more -->", flush=True)
                before = side, peak


def run(name: str, side: int, memory: int, evaluation: bool, device: str) -> tuple[str, int, float]:
    """In a fresh process: what it used, its peak in bytes, and the seconds of what is timed."""
    keep_freed_memory()
    let_segments_grow()
    generator = torch.Generator().manual_seed(0)
    photograph, painting = (torch.rand(3, PICTURE, PICTURE, generator=generator) for _ in range(2))
    layers = {CONTENT_LAYER[name]: 1.0}
    run = Run.prepare(photograph, painting, size=side, steps=1, device=device)
    recipe = run.record.recipe.replace(memory=memory, content_layers=layers)
    level = Level(1, 1, (side, side), 1, 0.0, 1.0)
    network = made(name).to(device)
    plan = plan_run((level,), recipe, network, run.inputs.memory, memory)
    record, network = replace(run.record, recipe=recipe), network.view(winograd=plan.winograd)
    run = replace(run, record=record, network=network, plans=plan.levels)
    seconds = evaluate(run) if evaluation else take_a_step(run)
    return words(run.plans[-1]), peak_on(run.plans[-1].device), seconds


def peak_on(device: torch.device) -> int:
    """The most that this process ever took of a device's memory, in bytes."""
    if device.type == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILO
    free, total = torch.cuda.mem_get_info(device)
    beside = total - free - torch.cuda.memory_reserved(device)
    return beside + torch.cuda.max_memory_reserved(device)


def take_a_step(run: Run) -> float:
    """One step, a checkpoint and the picture; seconds of all."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for step in run:
            checkpoint = Checkpoint(run.record, step.state)
            write_checkpoint(Path(folder) / "checkpoint", checkpoint)
        run.painting(step.image).save(Path(folder) / "picture.png")
    return time.perf_counter() - began


def evaluate(run: Run) -> float:
    """One evaluation with the picture it begins with; its seconds."""
    (plan,) = run.plans
    inputs = resize_inputs(run.inputs, plan)
    evaluate = run.evaluate(plan, run.objective(plan, inputs), inputs)
    image = first_image(run.inputs, inputs, plan)
    began = time.perf_counter()
    evaluate(image)
    return time.perf_counter() - began


def words(plan: LevelPlan) -> str:
    """Short, for a table."""
    tile = "whole" if plan.tile is None else f"{plan.tile} px"
    how = f"{plan.history} pairs" if plan.optimizer == "lbfgs" else "Adam"
    return f"{tile}, {how}{', spilled' if plan.spilled else ''}"


if __name__ == "__main__":
    main()
