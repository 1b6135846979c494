"""One run: inputs, plan, descent from coarse to fine, result, checkpoint."""

from vangram.run.checkpoint_file import Checkpoint, read_checkpoint, write_checkpoint
from vangram.run.result import Painting
from vangram.run.run import Run

__all__ = ["Checkpoint", "Painting", "Run", "read_checkpoint", "write_checkpoint"]
