"""Many pictures: pairs of photograph and painting, and the state of each pair's picture."""

from vangram.batch.manifest import MANIFEST, Status, read_status
from vangram.batch.pairs import Pair, crossed, photographs, read_pairs
from vangram.batch.shards import Shard
from vangram.batch.work import Batch

__all__ = [
    "MANIFEST",
    "Batch",
    "Pair",
    "Shard",
    "Status",
    "crossed",
    "photographs",
    "read_pairs",
    "read_status",
]
