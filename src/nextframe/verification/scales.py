"""Scales of verification: neighbourhoods and squares, in pixels along each side."""

SCALES = (5, 15)
"""Neighbourhoods of the fractions skill score."""
AREAS = (4, 16, 64)
"""Squares whose means are verified by those of members."""
