"""Sizes that the server and the processes beside it agree on."""

THUMBNAIL = 320
"""Longer side in pixels."""
PREVIEW = 1024
"""Longer side of a preview in pixels."""
TILE = 512
"""Side of a tile in pixels."""
