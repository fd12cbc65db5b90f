"""Generated from `engine/serving/replica.proto` by `python -m engine.serving.generate_wire`; never edited by hand."""
