"""Radar composites, a file for each protocol."""
