//! `--gpus all|N|device=..,driver=..,capabilities=..,options=..`.

use engine_api::host_config::DeviceRequest;

use super::mount::csv_fields;

fn count(text: &str) -> Result<i64, String> {
    if text == "all" {
        return Ok(-1);
    }
    text.parse().map_err(|_| {
        format!(
            "invalid count ({text}): value must be either \"all\" or an integer: invalid syntax"
        )
    })
}

/// Reads one request.
///
/// # Errors
/// In docker's words.
pub fn parse(text: &str) -> Result<DeviceRequest, String> {
    let mut request =
        DeviceRequest { options: Some(engine_api::StringMap::new()), ..DeviceRequest::default() };
    let mut seen = Vec::new();
    for field in csv_fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => ("count".to_owned(), field.clone()),
        };
        if seen.contains(&key) {
            return Err(format!("gpu request key '{key}' can be specified only once"));
        }
        seen.push(key.clone());
        match key.as_str() {
            "driver" => request.driver = value,
            "count" => request.count = count(&value)?,
            "device" => request.device_ids = Some(csv_fields(&value)?),
            "capabilities" => {
                let mut names = csv_fields(&value)?;
                names.push("gpu".to_owned());
                request.capabilities = Some(vec![names]);
            }
            "options" => {
                for option in csv_fields(&value)? {
                    let (name, value) = option.split_once('=').unwrap_or((&option, ""));
                    let options = request.options.get_or_insert_default();
                    options.insert(name.to_owned(), value.to_owned());
                }
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if request.count == 0 && request.device_ids.is_none() {
        request.count = 1;
    }
    request.capabilities.get_or_insert_with(|| vec![vec!["gpu".to_owned()]]);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        assert_eq!(parse("all").unwrap().count, -1);
        assert_eq!(parse("2").unwrap().count, 2);
        let some = parse("\"device=0,1\",driver=x").unwrap();
        assert_eq!(some.device_ids.unwrap(), ["0", "1"]);
        assert_eq!(parse("x=y").unwrap_err(), "unexpected key 'x' in 'x=y'");
        assert!(parse("busybox").unwrap_err().starts_with("invalid count (busybox)"));
    }
}
