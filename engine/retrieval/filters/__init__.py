"""Expressions (engine.spec.expression) compiled to masks over the rows of a catalogue."""
