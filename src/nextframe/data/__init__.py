"""Data as the model sees them: split, normalisation, windows, tensors."""
