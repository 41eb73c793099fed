"""What people look at: pictures, animations, tables, the report, and the doctor's findings."""
