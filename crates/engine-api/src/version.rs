//! The answer of `GET /version`.

use crate::{StringMap, null::unset};

document! {
    /// Which engine this is.
    pub struct SystemVersion {
        /// The product.
        pub platform: PlatformName = "Platform",
        /// Its parts.
        pub components: Vec<ComponentVersion> = "Components" unless "unset",
        /// Of the engine.
        pub version: String = "Version",
        /// The newest API version.
        pub api_version: String = "ApiVersion",
        /// The oldest API version.
        pub min_api_version: String = "MinAPIVersion" unless "unset",
        /// The revision it was built from.
        pub git_commit: String = "GitCommit",
        /// The compiler; clients print it.
        pub go_version: String = "GoVersion",
        /// `linux`.
        pub os: String = "Os",
        /// `amd64`, ...
        pub arch: String = "Arch",
        /// Of the host.
        pub kernel_version: String = "KernelVersion" unless "unset",
        /// Never.
        pub experimental: bool = "Experimental" unless "unset",
        /// RFC 3339 with nanoseconds.
        pub build_time: String = "BuildTime" unless "unset",
    }

    /// The product.
    pub struct PlatformName {
        /// Its name.
        pub name: String = "Name",
    }

    /// A part of the engine.
    pub struct ComponentVersion {
        /// Its name.
        pub name: String = "Name",
        /// Its version.
        pub version: String = "Version",
        /// Facts.
        pub details: Option<StringMap> = "Details" unless "unset",
    }
}
