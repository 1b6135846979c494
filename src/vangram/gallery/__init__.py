"""Many pictures as one page to read offline, made one by one, so that it can go on later."""

from vangram.gallery.figures import Figure, Section
from vangram.gallery.report import report
from vangram.gallery.work import Gallery, Made, Progress

__all__ = ["Figure", "Gallery", "Made", "Progress", "Section", "report"]
