//! Images: answers below 1.52 lowered.

use engine_api::image::{ImageInspect, ImageSummary};
use serde_json::{Value, json};

use super::{fill, value};
use crate::{Answer, ApiVersion};

/// Lowers a list.
pub fn lower_list(images: &mut [ImageSummary], version: ApiVersion) {
    for image in images {
        if version.is_before(43) && image.repo_tags.is_empty() && image.repo_digests.is_empty() {
            image.repo_tags.push("<none>:<none>".to_owned());
            image.repo_digests.push("<none>@<none>".to_owned());
        }
        if version.is_before(44) {
            image.virtual_size = Some(image.size);
        }
        if version.is_before(48) {
            image.descriptor = None;
        }
        if version.is_before(51) {
            image.containers = -1;
        }
    }
}

/// Lowers an inspection.
///
/// # Errors
/// 500 if the document cannot be written.
pub fn lower_inspect(mut image: ImageInspect, version: ApiVersion) -> Answer<Value> {
    if version.is_before(44) {
        image.virtual_size = Some(image.size);
        image.created.get_or_insert_with(|| "0001-01-01T00:00:00Z".to_owned());
    }
    if version.is_before(48) {
        image.descriptor = None;
    }
    let mut document = value(&image)?;
    if version.is_before(52) {
        fill(
            &mut document,
            json!({"Parent": "", "Comment": "", "DockerVersion": "", "Author": ""}),
        );
        fill(&mut document["Config"], config_defaults());
    }
    if version.is_before(50) {
        fill(&mut document["Config"], container_defaults());
    }
    if version.is_before(45) {
        fill(&mut document, json!({"Container": "", "ContainerConfig": null}));
    }
    Ok(document)
}

/// What was written before 1.52 even if it was empty.
fn config_defaults() -> Value {
    json!({
        "Cmd": null, "Entrypoint": null, "Env": null, "Labels": null, "OnBuild": null,
        "User": "", "Volumes": null, "WorkingDir": "",
    })
}

/// What images had before 1.50 although it is a container's.
fn container_defaults() -> Value {
    json!({
        "AttachStderr": false, "AttachStdin": false, "AttachStdout": false, "Domainname": "",
        "Hostname": "", "Image": "", "OpenStdin": false, "StdinOnce": false, "Tty": false,
    })
}

#[cfg(test)]
mod tests {
    use engine_api::image::ImageConfig;

    use super::*;

    #[test]
    fn untagged_images_had_names_before_1_43() {
        let mut images = [ImageSummary::default()];
        lower_list(&mut images, ApiVersion::new(1, 43));
        assert!(images[0].repo_tags.is_empty());
        lower_list(&mut images, ApiVersion::new(1, 42));
        assert_eq!(images[0].repo_tags, ["<none>:<none>"]);
        assert_eq!(images[0].virtual_size, Some(0));
    }

    #[test]
    fn empty_values_are_written_for_older_clients_only() {
        let image = ImageInspect { config: Some(ImageConfig::default()), ..Default::default() };
        let keys = |minor| lower_inspect(image.clone(), ApiVersion::new(1, minor)).unwrap();
        assert_eq!(keys(52)["Config"], json!({}));
        assert_eq!(keys(51)["Config"]["Cmd"], Value::Null);
        assert!(keys(51)["Config"].get("Tty").is_none());
        assert_eq!(keys(49)["Config"]["Tty"], false);
        assert_eq!(keys(51)["Parent"], "");
    }
}
