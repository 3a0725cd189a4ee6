"""Modern convolutional networks, to read, to run and to take apart: the package behind the eight notebooks."""

__version__ = "0.1.0"
