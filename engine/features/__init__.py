"""Events, users and items to FIDs and dense floats: one code path for training and serving."""
