"""Frames and their sources: generated, or read lazily from files; no torch."""
