"""Engines: the value and gradient of an objective at an image."""

from vangram.engines.tiled import TiledEngine
from vangram.engines.whole import WholeEngine

__all__ = ["TiledEngine", "WholeEngine"]
