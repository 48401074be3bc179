//! Length-prefixed JSON with file descriptors over a unix socket.
