"""Sphinx: the documentation of zscan, built without a network (see README, "Documentation")."""

import os
import sys
from pathlib import Path

import zscan

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
# Pages with code run on the processor, so that they say the same everywhere.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What they compile is shared between pages and kept for the next build.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent / "_build/programs"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Pages that pages with code write beside them, as those of `zscan explore`
_PAGES = Path(__file__).parent / "_pages"
_PAGES.mkdir(exist_ok=True)
os.environ["ZSCAN_DOCS_PAGES"] = str(_PAGES)

project = "zscan"
author = "the zscan authors"
copyright = "the zscan authors, MIT licence"
version = release = zscan.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinxcontrib.bibtex",
    "mathml",
    "plain_docstrings",
    "references",
    "streams",
]
exclude_patterns = ["_build", "_pages", "extensions", "jupyter_execute", "**.ipynb_checkpoints"]

html_theme = "furo"
html_title = f"zscan {release}"
# MathML in the page: no script, no fonts and no network (extensions/mathml.py)
html_math_renderer = "mathml"
html_static_path = ["static"]
html_extra_path = ["_pages"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Every page with code is run from the start, in a folder that is thrown away; an error in one ends
# the build. ZSCAN_DOCS_EXECUTE=cache runs only what has changed, for writing.
nb_execution_mode = os.environ.get("ZSCAN_DOCS_EXECUTE", "force")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

bibtex_bibfiles = ["../zscan/references.bib", "../zscan/limits/references.bib"]
bibtex_default_style = "zscan"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
add_module_names = False
