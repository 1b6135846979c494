"""Films: video in and out, shots, the motion in them, passes over their frames."""

from vangram.film.motion import FlowFolder, Frames, Motion
from vangram.film.shot import FilmStep, Shot, Store

__all__ = ["FilmStep", "FlowFolder", "Frames", "Motion", "Shot", "Store"]
