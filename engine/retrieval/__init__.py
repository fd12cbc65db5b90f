"""From the catalogue to hundreds of candidates: the catalogue, exact vector search, trending, latest."""
