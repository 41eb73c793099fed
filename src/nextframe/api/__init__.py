"""The package in a few calls: fit, load, forecast, verify, inspect. It calls the rooms in order and decides nothing.

Each call imports the rooms that it uses when it is made, so that a forecast loads nothing of the training and an
inspection no torch.
"""

from nextframe.api.forecasts import calibrate_run, export, forecast, forecast_file, load_run, windows
from nextframe.api.inspections import compare_sources, inspect, inspect_path
from nextframe.api.trainings import fit, resolve
from nextframe.api.verifications import grade_file, print_table, verify, verify_run

__all__ = [
    "calibrate_run",
    "compare_sources",
    "export",
    "fit",
    "forecast",
    "forecast_file",
    "grade_file",
    "inspect",
    "inspect_path",
    "load_run",
    "print_table",
    "resolve",
    "verify",
    "verify_run",
    "windows",
]
