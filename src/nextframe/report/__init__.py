"""Scores for people: pictures, animations, tables, the report, and the doctor's findings."""
