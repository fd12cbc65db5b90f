"""From scored candidates to the list that is shown: formulas, boosts, exploration, diversity, caps and promotions over columns."""
