"""A map as one HTML page to look at: `explore`.

`content` says what the page holds, `encode` how its numbers are packed, `page` puts it together
with the page's own files (HTML, CSS and scripts beside this one)."""

from zscan.results.explore.page import explore

__all__ = ["explore"]
