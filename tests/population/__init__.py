"""A project that has something of everything, for tests that go over every page; and one that has very much of it."""
