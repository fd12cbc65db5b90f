"""Lists for users, learned from one set of clicks and measured on another: splits, recommenders, metrics."""
