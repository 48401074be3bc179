//! The error document that accompanies every status above 399.

document! {
    /// `{"message": "..."}`.
    pub struct ErrorResponse {
        /// What the client shows after `Error response from daemon: `.
        pub message: String = "message",
    }
}
