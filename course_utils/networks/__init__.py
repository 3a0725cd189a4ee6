"""Networks and their blocks, each to be read as its paper's table; `zoo.load` gives them trained."""
