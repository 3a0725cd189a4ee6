"""What a network costs: `accounting` counts, `receptive_field` looks back, `roofline` holds it against the machine."""
