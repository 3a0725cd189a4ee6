"""Work on a network's layers: find one by name, hear it, replace it, stop behind it, fold it."""
