"""Live forecasts: the session, the folder that is followed, the service."""
