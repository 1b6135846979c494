"""How Sphinx builds the documentation: `scripts/docs`."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

project = "VanGram"
author = "the VanGram authors"
release = metadata.version("vangram")
language = "en_GB"

extensions = [
    "docs.extensions.docstrings",
    "docs.extensions.mathml",
    "docs.extensions.tables",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

# Single backticks in docstrings are code, and a link where it names something documented.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}
add_module_names = False
smartquotes = False
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_use_ivar = True
napoleon_numpy_docstring = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

html_theme = "furo"
html_title = "VanGram"
html_copy_source = False
html_show_copyright = False
