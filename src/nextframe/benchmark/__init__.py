"""How fast this machine trains and forecasts, next to the usual ways of doing the same work."""
