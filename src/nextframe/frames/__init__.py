"""Where frames come from: generated, or read lazily from files; no torch."""
