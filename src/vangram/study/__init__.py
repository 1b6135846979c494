"""The paper's figures made anew, for any photograph and paintings, as one page to read offline."""

from vangram.study.figures import sections
from vangram.study.gallery import prepare

__all__ = ["prepare", "sections"]
