//! Content descriptors and platforms as they appear in API answers, and the answer of
//! `GET /distribution/{name}/json`.

use crate::{StringMap, null::unset};

document! {
    /// A pointer to content: type, digest and size.
    pub struct Descriptor {
        /// The content's media type.
        pub media_type: String = "mediaType",
        /// `algorithm:hex`.
        pub digest: String = "digest",
        /// Bytes.
        pub size: i64 = "size",
        /// Other places to fetch it from.
        pub urls: Vec<String> = "urls" unless "unset",
        /// Free metadata.
        pub annotations: StringMap = "annotations" unless "unset",
        /// The content itself in base64, if it is small.
        pub data: String = "data" unless "unset",
        /// What the image runs on.
        pub platform: Option<Platform> = "platform" unless "unset",
        /// The type of an artifact that is no image.
        pub artifact_type: String = "artifactType" unless "unset",
    }

    /// What an image runs on.
    pub struct Platform {
        /// `amd64`, `arm64`, ...
        pub architecture: String = "architecture",
        /// `linux`.
        pub os: String = "os",
        /// Windows builds only.
        pub os_version: String = "os.version" unless "unset",
        /// Windows features only.
        pub os_features: Vec<String> = "os.features" unless "unset",
        /// `v7`, `v8`, ...
        pub variant: String = "variant" unless "unset",
    }

    /// What a registry says about a name.
    pub struct DistributionInspect {
        /// The manifest or index behind the name.
        pub descriptor: Descriptor = "Descriptor",
        /// The platforms it offers.
        pub platforms: Vec<Platform> = "Platforms",
    }
}
