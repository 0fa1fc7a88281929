"""The intermediate representation: dimensions, expressions, values, nodes and graphs."""
