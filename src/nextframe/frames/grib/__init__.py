"""GRIB, editions 1 and 2: messages, their headers, their grids, and the sequences that they make."""
