"""Reading the inputs of a run within its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vangram.errors import SizeError
from vangram.run import Run


def test_pictures_are_read_within_the_memory_given(tmp_path: Path, painting: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    large = Image.fromarray(noise).resize((6000, 4800), Image.Resampling.NEAREST)
    for name in ("p.png", "p.jpg"):
        large.save(tmp_path / name)
    settings: dict[str, Any] = {"memory": 900_000_000, "size": 64, "steps": 1}
    with pytest.raises(SizeError, match="6000 x 4800 px, more than the limit of 28125000 px"):
        Run.prepare(tmp_path / "p.png", painting, **settings)
    run = Run.prepare(tmp_path / "p.jpg", painting, **settings)
    assert "it is read at 3000 x 2400 px" in run.inputs.notes[0]
    assert run.levels[-1].size == (51, 64)
