"""The experiments of Monolith's paper (Liu et al., 2022, arXiv 2209.07663), on any labelled log."""
