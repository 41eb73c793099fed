"""How good a forecast is: additive statistics, scores, files graded; no torch."""
