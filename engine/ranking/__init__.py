"""From hundreds of candidates to scores."""
