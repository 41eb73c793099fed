"""How fast archives are read, and how much memory a training on them takes."""
