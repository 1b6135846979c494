"""The paper's figures made anew, for any photograph and paintings, as one page to read offline."""

from vangram.study.figures import Figure, Section, sections
from vangram.study.report import report
from vangram.study.work import Made, Progress, Study

__all__ = ["Figure", "Made", "Progress", "Section", "Study", "report", "sections"]
