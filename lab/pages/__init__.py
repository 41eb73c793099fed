"""Pages and tables of the documentation, written from results and from the tables of the code."""
