"""A package that adds a row to each table of nextframe; the pages in docs/contributing show its files."""
