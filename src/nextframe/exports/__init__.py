"""Models that leave the package: step graphs in other formats, networks of Keras both ways, folders of a hub."""
