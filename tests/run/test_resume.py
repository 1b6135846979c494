"""A run that goes on from the checkpoint of an earlier one."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import batched
from vangram.errors import CheckpointError, OutputError
from vangram.images import write_picture
from vangram.run import Run
from vangram.run.checkpointer import Checkpointer, checkpoint_path
from vangram.run.resume import check_unfinished, is_picture_of, resumed, unfinished


def prepared() -> Run:
    return Run.prepare(batched(32, 48, 1)[0], batched(32, 40, 2)[0], size=48, steps=1)


def test_resumed_run_has_the_record_of_the_run_that_began() -> None:
    run = prepared()
    began = replace(run.record, versions={**run.record.versions, "torch": "1.0"})
    found = resumed(run, began)
    assert found.record == began.continued(run.record)
    assert found.record.versions["torch"].startswith("1.0")
    assert found.inputs is run.inputs
    assert found.plans == run.plans


def test_run_with_another_network_does_not_go_on() -> None:
    run = prepared()
    with pytest.raises(CheckpointError, match=r"other parameters.* continues with its first"):
        resumed(run, replace(run.record, network_sha256="cc"))


def test_unfinished_run_is_refused_but_for_force(tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    check_unfinished(output, force=False)
    checkpoint_path(output).write_bytes(b"")
    with pytest.raises(OutputError, match=r"vangram resume .* --force"):
        check_unfinished(output, force=False)
    check_unfinished(output, force=True)


def test_stopped_run_is_found_again_with_its_picture_so_far(tmp_path: Path) -> None:
    paths = tmp_path / "content.png", tmp_path / "style.png"
    for path, pixels in zip(paths, (batched(32, 48, 1)[0], batched(32, 40, 2)[0]), strict=True):
        write_picture(path, pixels[None])
    run = Run.prepare(*paths, size=48, steps=1)
    output = tmp_path / "out.png"
    with closing(Checkpointer(output, warn=print)) as checkpointer:
        assert unfinished(checkpointer) is None
        checkpointer.begin(run.record)
    with closing(Checkpointer(output, warn=print)) as checkpointer:
        found = unfinished(checkpointer)
    assert found is not None
    assert found.is_of_same_run(run.record)
    assert not is_picture_of(output, found)
    run.painting(run.inputs.images[0].pixels, finished=False).save(output)
    assert is_picture_of(output, found)
    assert not is_picture_of(output, prepared().record)


def test_run_with_inputs_from_memory_goes_on_in_python_alone(tmp_path: Path) -> None:
    with closing(Checkpointer(tmp_path / "out.png", warn=print)) as checkpointer:
        checkpointer.begin(prepared().record)
    with (
        closing(Checkpointer(tmp_path / "out.png", warn=print)) as checkpointer,
        pytest.raises(CheckpointError, match="came from memory"),
    ):
        unfinished(checkpointer)
