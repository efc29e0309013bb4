"""Scans: cards, tiles, the tile store and the runner."""
