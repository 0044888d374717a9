//! The server on a socket.
