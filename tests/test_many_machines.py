"""The page on many machines and the container, as far as they can be tried without a cluster."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vangram.batch import Shard

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "how-to" / "many-machines.md"
DOCKERFILE = ROOT / "Dockerfile"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="no documentation beside the tests")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def tool(name: str) -> str:
    """A program of the environment; the extra `dev` brings it."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return str(path)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A file that gets the words of each `vangram`, `srun` and `scontrol` that a script runs."""
    record, programs = tmp_path / "record", tmp_path / "bin"
    record.touch()
    programs.mkdir()
    scripts = {
        "vangram": f'echo "$OMP_NUM_THREADS vangram $*" >> {record}; exit "${{CODE:-0}}"',
        "srun": '"$@"',
        "scontrol": f'echo "scontrol $*" >> {record}',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    return record


def run(script: str, recorded: Path, **variables: str) -> tuple[int, list[str]]:
    """Run a script of the page; its exit code, and the words recorded."""
    path = f"{recorded.with_name('bin')}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path} | variables, timeout=60, check=False
    )
    lines = recorded.read_text().splitlines()
    recorded.write_text("")
    return done.returncode, lines


def shards(lines: list[str]) -> set[Shard]:
    return {Shard.parse(line.split("--shard ")[1]) for line in lines}


@pytest.mark.parametrize("program", ["parallel", "xargs"])
def test_line_starts_every_shard_once_with_one_thread(program: str, recorded: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (block,) = (fence for fence in fences("sh") if f"{program} " in fence)
    lines = [line for line in block.splitlines() if program in line or "export" in line]
    assert len(lines) == 2
    code, words = run("\n".join(lines), recorded)
    assert code == 0
    assert len(words) == 8
    assert shards(words) == {Shard(number, 8) for number in range(8)}
    assert all(line.startswith("1 vangram batch holiday painting.jpg ") for line in words)


@pytest.mark.parametrize(("code", "requeued"), [(0, False), (3, False), (143, True)])
def test_task_of_a_slurm_array_is_its_shard_and_goes_on_once_terminated(
    recorded: Path, code: int, requeued: bool
) -> None:
    (script,) = fences("bash")
    numbers = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}
    job = {"SLURM_ARRAY_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "4"}
    found, lines = run(script, recorded, CODE=str(code), **numbers, **job)
    assert found == code
    assert lines[0].startswith("4 vangram batch ")
    assert shards(lines[:1]) == {Shard(3, 8)}
    assert lines[1:] == ["scontrol requeue 77_3"] * requeued
    assert "--array=0-7" in script
    assert "--signal=TERM@60" in script  # without B: it is for srun's step


def test_kubernetes_job_keeps_to_the_schemas(tmp_path: Path) -> None:
    (manifest,) = fences("yaml")
    path = tmp_path / "job.yaml"

    def valid(text: str) -> bool:
        path.write_text(text)
        words = [tool("kubernetes-validate"), "--strict", "-k", "1.31", str(path)]
        return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0

    assert valid(manifest)
    assert not valid(manifest.replace("completions: 8", "completion: 8"))  # so it is checked


def test_kubernetes_job_runs_every_shard_and_knows_the_exit_codes() -> None:
    (manifest,) = fences("yaml")
    found = re.search(r"completions: (\d+)$", manifest, re.M)
    assert found is not None
    assert f"--shard, $(JOB_COMPLETION_INDEX)/{found[1]}]" in manifest
    # What Kubernetes asks for beside its schemas: pod failure policies and indices.
    assert "restartPolicy: Never" in manifest
    assert "completionMode: Indexed" in manifest
    assert "values: [2, 3]" in manifest  # of words and files; see vangram.cli


def test_container_has_this_version_and_copies_what_is_there() -> None:
    text, page = DOCKERFILE.read_text(), PAGE.read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text()
    for tag in re.findall(r"vangram:(\d[\w.]*)", text + page):
        assert f'\nversion = "{tag.removesuffix("-cuda")}"\n' in project
    constraints = (ROOT / "constraints.txt").read_text()
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for name in line.split()]
    assert copied
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert sorted(copied) == sorted(kept)
    for name in copied:
        assert (ROOT / name).exists(), name
    for name in re.findall(r'^(?:readme = |license-files = \[)"(.+?)"', project, re.M):
        assert name in copied  # what the build reads
    assert "torch==" in constraints
    for name in re.findall(r"\.\[(.*)\]", text)[0].split(","):
        assert re.search(rf"^{name} = \[", project, re.M)
    python = re.search(r"^ARG PYTHON=3\.(\d+)$", text, re.M)
    least = re.search(r'^requires-python = ">=3\.(\d+)"$', project, re.M)
    assert python is not None
    assert least is not None
    assert int(python[1]) >= int(least[1])
    assert re.search(r"^USER \d+$", text, re.M)  # not root; Kubernetes needs its number


def test_container_passes_its_linter() -> None:
    done = subprocess.run(
        [tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
