"""A replica's whole request path, its gRPC door, and the client that the web app calls it with."""
