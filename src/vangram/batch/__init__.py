"""Many pictures: pairs of photograph and painting, and the state of each pair's picture."""

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
