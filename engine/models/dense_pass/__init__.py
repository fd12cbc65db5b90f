"""The forward pass of ranking models without TensorFlow, for serving: the same formulas as a program of the C++ core."""
