"""What the model sees of the frames: parts, normalisation, windows, tensors."""
