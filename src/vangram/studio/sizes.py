"""Sizes of thumbnails, previews and tiles, for the server and its child processes."""

THUMBNAIL = 320
"""Longer side of a thumbnail in pixels."""
PREVIEW = 1024
"""Longer side of a preview in pixels."""
TILE = 512
"""Side of a tile in pixels."""
