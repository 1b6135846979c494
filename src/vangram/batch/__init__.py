"""Many pictures: which photograph goes with which painting, and which of them are there already."""

from vangram.batch.pairs import Pair, crossed, frames_of, in_order, photographs, read_pairs
from vangram.batch.work import MANIFEST, Batch

__all__ = [
    "MANIFEST",
    "Batch",
    "Pair",
    "crossed",
    "frames_of",
    "in_order",
    "photographs",
    "read_pairs",
]
