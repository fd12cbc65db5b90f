"""The one-machine mode: embedded servers, processes under a supervisor, one data folder."""
