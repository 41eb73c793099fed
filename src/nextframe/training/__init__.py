"""From frames and a configuration to a run folder."""
