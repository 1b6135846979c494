"""A run that goes on from the checkpoint of an earlier one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import batched
from vangram.errors import CheckpointError, OutputError
from vangram.run import Run
from vangram.run.checkpointer import checkpoint_path
from vangram.run.resume import check_unfinished, resumed


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
