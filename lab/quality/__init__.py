"""How long trainings take until their forecasts are good."""
