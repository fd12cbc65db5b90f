"""`Recommend` over one lasting connection: the messages of `replica.proto` in frames, many calls at once.

Beside gRPC, which carries everything else. Python's gRPC takes .37 ms of processor time for a call and its answer, both sides together;
this takes .03 (docs/benchmarks.md). A replica says by gRPC where it listens for it, and one that does not is asked by gRPC.
"""
