//! The two macros by which documents are declared.

/// Declares documents: `pub field: Type = "Key" [unless "unset"]`.
///
/// Every field takes `null` for its default; a field with `unless "unset"` is not written while
/// it has its default (Go's `omitempty`; bring [`crate::null::unset`] into scope).
macro_rules! document {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident : $type:ty = $key:literal $(unless $unset:literal)? ),* $(,)?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name { $(
            $(#[$field_meta])*
            #[serde(
                rename = $key,
                deserialize_with = "crate::null::or_default"
                $(, skip_serializing_if = $unset)?
            )]
            pub $field: $type,
        )* }
    )* };
}

/// Declares a document that embeds another one, as Go does: both sets of keys on one level.
///
/// The second name is the shadow that reads the document's own keys: serde's `flatten` would
/// hide the field names from [`crate::decode`] and so lose the case-insensitive match.
macro_rules! embedding {
    (
        $(#[$meta:meta])*
        pub struct $name:ident / $own:ident {
            $(#[$inner_meta:meta])* pub $inner:ident : $inner_type:ty,
            $( $(#[$field_meta:meta])* pub $field:ident : $type:ty = $key:literal $(unless $unset:literal)? ),* $(,)?
        }
    ) => {
        document! {
            /// The document's own keys.
            #[doc(hidden)]
            pub struct $own {
                $( $(#[$field_meta])* pub $field : $type = $key $(unless $unset)? ),*
            }
        }

        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
        pub struct $name {
            $(#[$inner_meta])*
            #[serde(flatten)]
            pub $inner: $inner_type,
            $(
                $(#[$field_meta])*
                #[serde(rename = $key $(, skip_serializing_if = $unset)?)]
                pub $field: $type,
            )*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (own, $inner) = crate::decode::twice::<D, $own, $inner_type>(deserializer)?;
                let $own { $( $field ),* } = own;
                Ok(Self { $inner, $( $field ),* })
            }
        }
    };
}
