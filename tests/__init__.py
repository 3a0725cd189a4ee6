"""The tests, in the same rooms as the package; a package themselves, or another one of that name is found first."""
