//! Options of the drivers that write files: `json-file`, `local`, and the cache of the others.

use super::{
    go_text::{Unit, parse_bool, parse_int, parse_size},
    options::{CACHE_PREFIX, Options},
};

/// Where a log ends when nothing else was asked for: Docker keeps everything for ever, which fills
/// disks; 100 MB in five files are kept here.
const DEFAULT_TOTAL_BYTES: u64 = 100_000_000;
const DEFAULT_FILES: u32 = 5;

/// How much is kept, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileOptions {
    /// `None`: no end.
    pub(super) max_size_bytes: Option<u64>,
    pub(super) max_files: u32,
    pub(super) is_compressed: bool,
}

impl FileOptions {
    pub(super) const OWN: [&'static str; 3] = ["max-size", "max-file", "compress"];

    /// Of `json-file`: with a size and no number it is one file, as in Docker; without a size all
    /// files together have [`DEFAULT_TOTAL_BYTES`]. A size of `-1` is no end, Docker's default.
    pub(super) fn parse_json(options: Options<'_>) -> Result<Self, String> {
        if let Some(name) = options.unknown_beside_common(&Self::OWN) {
            return Err(format!("unknown log opt '{name}' for json-file log driver"));
        }
        let size = options.get("max-size");
        let default = if size.is_some() { 1 } else { DEFAULT_FILES };
        let max_files = match options.get("max-file").map(parse_int).transpose()? {
            None => default,
            Some(number) => u32::try_from(number)
                .ok()
                .filter(|number| *number >= 1)
                .ok_or("max-file cannot be less than 1")?,
        };
        let max_size_bytes = match size {
            None => Some(DEFAULT_TOTAL_BYTES / u64::from(max_files)),
            Some("-1") => None,
            Some(size) => Some(
                u64::try_from(parse_size(size, Unit::Decimal)?)
                    .ok()
                    .filter(|size| *size > 0)
                    .ok_or("max-size must be a positive number")?,
            ),
        };
        let is_compressed = options.get("compress").map(parse_bool).transpose()?.unwrap_or(false);
        if is_compressed && (max_files == 1 || max_size_bytes.is_none()) {
            return Err("compress cannot be true when max-file is less than 2 or max-size is not \
                        set"
            .to_owned());
        }
        Ok(Self { max_size_bytes, max_files, is_compressed })
    }

    /// Of `local`.
    pub(super) fn parse_local(options: Options<'_>) -> Result<Self, String> {
        if let Some(name) = options.unknown_beside_common(&Self::OWN) {
            return Err(format!("unknown log opt '{name}' for log driver local"));
        }
        Self::parse_protobuf(options, "")
    }

    /// Of the cache beside a driver that cannot be read; `None` when it is switched off.
    pub(super) fn parse_cache(options: Options<'_>) -> Result<Option<Self>, String> {
        let key = format!("{CACHE_PREFIX}disabled");
        let is_disabled = match options.get(&key).map(|value| (value, parse_bool(value))) {
            None => false,
            Some((_, Ok(is_disabled))) => is_disabled,
            Some((value, Err(_))) => {
                return Err(format!("invalid value for option {key}: {value}"));
            }
        };
        let cache = Self::parse_protobuf(options, CACHE_PREFIX)?;
        Ok((!is_disabled).then_some(cache))
    }

    fn parse_protobuf(options: Options<'_>, prefix: &str) -> Result<Self, String> {
        let get = |name: &str| options.get(&format!("{prefix}{name}"));
        let max_files = match get("max-file") {
            None => DEFAULT_FILES,
            Some(text) => {
                let number = parse_int(text)
                    .map_err(|error| format!("invalid value for max-file: {text}: {error}"))?;
                u32::try_from(number).map_err(|_| "max-file must not be negative")?
            }
        };
        let max_size_bytes = match get("max-size") {
            None => Some(20 << 20),
            Some("-1") => None,
            Some(text) => Some(
                parse_size(text, Unit::Decimal)
                    .map_err(|error| format!("invalid value for max-size: {text}: {error}"))?
                    .cast_unsigned(),
            ),
        };
        let asked = get("compress")
            .map(parse_bool)
            .transpose()
            .map_err(|error| format!("invalid boolean value for compress: {error}"))?;
        let is_compressed = asked.unwrap_or(true);
        if is_compressed && max_files <= 1 {
            return Err("compression cannot be enabled when max file count is 1".to_owned());
        }
        Ok(Self { max_size_bytes, max_files: max_files.max(1), is_compressed })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn json(pairs: &[(&str, &str)]) -> Result<FileOptions, String> {
        FileOptions::parse_json(Options(&options(pairs)))
    }

    #[test]
    fn json_file_is_bounded_unless_asked() {
        let plan = json(&[]).unwrap();
        assert_eq!(plan.max_size_bytes.unwrap() * u64::from(plan.max_files), 100_000_000);
        let plan = json(&[("max-size", "10m")]).unwrap();
        assert_eq!((plan.max_size_bytes, plan.max_files), (Some(10_000_000), 1));
        assert_eq!(json(&[("max-size", "-1")]).unwrap().max_size_bytes, None);
        assert!(json(&[("compress", "true")]).unwrap().is_compressed);
    }

    #[test]
    fn mistakes_have_dockers_words() {
        let texts = [
            (&[("nosuch", "x")][..], "unknown log opt 'nosuch' for json-file log driver"),
            (&[("max-size", "x")], "invalid size: 'x'"),
            (&[("max-size", "0")], "max-size must be a positive number"),
            (&[("max-file", "0")], "max-file cannot be less than 1"),
            (&[("max-file", "x")], "strconv.Atoi: parsing \"x\": invalid syntax"),
            (
                &[("compress", "true"), ("max-size", "1m")],
                "compress cannot be true when max-file is less than 2 or max-size is not set",
            ),
        ];
        for (pairs, text) in texts {
            assert_eq!(json(pairs), Err(text.to_owned()));
        }
        let local = options(&[("max-file", "1")]);
        let text = "compression cannot be enabled when max file count is 1";
        assert_eq!(FileOptions::parse_local(Options(&local)), Err(text.to_owned()));
    }

    #[test]
    fn the_cache_can_be_sized_and_switched_off() {
        let parse = |pairs: &[(&str, &str)]| FileOptions::parse_cache(Options(&options(pairs)));
        assert!(parse(&[]).unwrap().unwrap().is_compressed);
        let small = parse(&[("cache-max-size", "5m"), ("cache-max-file", "2")]).unwrap().unwrap();
        assert_eq!((small.max_size_bytes, small.max_files), (Some(5_000_000), 2));
        assert_eq!(parse(&[("cache-disabled", "true")]), Ok(None));
        let error = parse(&[("cache-disabled", "x")]).unwrap_err();
        assert_eq!(error, "invalid value for option cache-disabled: x");
    }
}
