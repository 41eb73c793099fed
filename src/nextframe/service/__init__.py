"""Live forecasts: a folder that is followed, and a service; both keep nothing that a restart could lose."""
