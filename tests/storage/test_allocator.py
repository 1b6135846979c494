"""How the command line has memory handed out: by whoever has said so, or else by us."""

from __future__ import annotations

import os
import sys

import pytest

from vangram.storage.allocator import let_segments_grow

VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


@pytest.mark.skipif(sys.platform != "linux", reason="torch has such segments on Linux alone")
@pytest.mark.parametrize("theirs", [None, *VARIABLES])
def test_a_gpus_segments_grow_unless_the_user_has_other_plans(
    theirs: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if theirs is not None:
        monkeypatch.setenv(theirs, "max_split_size_mb:64")
    let_segments_grow()
    found = {name: os.environ.get(name) for name in VARIABLES}
    if theirs is None:
        assert found["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
        monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF")
    else:
        assert found == dict.fromkeys(VARIABLES) | {theirs: "max_split_size_mb:64"}
