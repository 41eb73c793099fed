"""The doctor: what is in a source, what is wrong with it, and what there is to beat."""
