"""The laboratory: it measures the package beside others, and writes what was measured to pages."""
