"""Forecasts and what makes them: trained models and baselines alike."""
