"""Single questions: which recipe, which architecture, which path, on which data."""
