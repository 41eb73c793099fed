"""How fast this machine does the work of the tutorial, next to the usual ways of doing it."""
