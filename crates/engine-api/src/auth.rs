//! Registry credentials (`POST /auth`, `X-Registry-Auth`, `X-Registry-Config`).

use crate::{Secret, null::unset};

document! {
    /// Credentials for one registry.
    pub struct AuthConfig {
        /// The account.
        pub username: String = "username" unless "unset",
        /// Its password or access token.
        pub password: Secret = "password" unless "unset",
        /// `base64(username:password)`, as in the client's configuration file.
        pub auth: Secret = "auth" unless "unset",
        /// Not used any more.
        pub email: String = "email" unless "unset",
        /// The registry these are for.
        pub server_address: String = "serveraddress" unless "unset",
        /// An OAuth refresh token instead of a password.
        pub identity_token: Secret = "identitytoken" unless "unset",
        /// A bearer token that is sent to the registry as it is.
        pub registry_token: Secret = "registrytoken" unless "unset",
    }

    /// The answer of `POST /auth`.
    pub struct AuthResponse {
        /// `Login Succeeded`.
        pub status: String = "Status",
        /// A refresh token to keep instead of the password, if the registry gave one.
        pub identity_token: Secret = "IdentityToken" unless "unset",
    }
}
