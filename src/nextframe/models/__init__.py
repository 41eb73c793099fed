"""The networks, in torch alone: no files, no metrics."""
