"""One radar model for all radars: trained on some networks, verified on one that it never saw, in turn."""
