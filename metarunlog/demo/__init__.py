"""The demo project: a small network in numpy on the UCI handwritten digits. `project/` is copied as it is."""
