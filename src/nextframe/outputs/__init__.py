"""Forecasts as files, a row of the table of writers for each format."""
