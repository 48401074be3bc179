//! `images --tree`: an image, its names, and the platforms it is for.

use client::Request;
use engine_api::image::ImageSummary;
use serde_json::Value;

use crate::{filters, grammar::Parsed, human, output, session::Session, terminal};

/// Blanks between columns.
const GAP: usize = 3;
const ID_WIDTH: usize = 12;
const USAGE_WIDTH: usize = 10;
const CONTENT_WIDTH: usize = 12;
/// Below this the name's column is too narrow to read, so others go.
const LEAST_NAME_WIDTH: usize = 12;
const WARNING: &str =
    "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.";

/// What one line shows beside its name.
struct Details {
    id: String,
    usage: String,
    content: String,
    is_used: bool,
}

struct Image {
    names: Vec<String>,
    details: Details,
    platforms: Vec<(String, Details)>,
}

fn size(bytes: i64) -> String {
    human::size_with(bytes as f64, 3)
}

/// A manifest of an image that is for a platform; others (attestations) have no line.
fn platform(manifest: &Value) -> Option<(String, Details)> {
    if manifest["Kind"] != "image" {
        return None;
    }
    let data = &manifest["ImageData"];
    let part = |name: &str| data["Platform"][name].as_str().unwrap_or("");
    let parts = [part("os"), part("architecture"), part("variant")];
    let name: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let details = Details {
        id: manifest["ID"].as_str().unwrap_or("").to_owned(),
        usage: size(manifest["Size"]["Total"].as_i64().unwrap_or(0)),
        content: size(manifest["Size"]["Content"].as_i64().unwrap_or(0)),
        is_used: data["Containers"].as_array().is_some_and(|list| !list.is_empty()),
    };
    Some((name.join("/"), details))
}

fn image(summary: &ImageSummary) -> Image {
    let manifests = summary.manifests.as_deref().unwrap_or_default();
    let platforms: Vec<_> = manifests.iter().filter_map(platform).collect();
    let content = manifests.iter().filter_map(|one| one["Size"]["Content"].as_i64()).sum();
    let mut names: Vec<_> =
        summary.repo_tags.iter().filter(|tag| *tag != "<none>:<none>").cloned().collect();
    // The last name stands beside the details: the shortest leaves most room.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let is_used = summary.containers > 0 || platforms.iter().any(|(_, own)| own.is_used);
    let details = Details {
        id: summary.id.clone(),
        usage: size(summary.size),
        content: size(content),
        is_used,
    };
    Image { names, details, platforms }
}

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    for name in ["quiet", "digests", "no-trunc"] {
        if flags.flag(name) {
            anyhow::bail!("--{name} is not yet supported with --tree");
        }
    }
    if !flags.text("format").is_empty() {
        anyhow::bail!("--format is not yet supported with --tree");
    }
    let own: Vec<_> = flags.args.iter().map(|name| ("reference", name.as_str())).collect();
    let request = Request::get("/images/json")
        .query_if("all", flags.flag("all"))
        .query_unless_empty("filters", &filters::with(flags, &own))
        .query("manifests", "1");
    let mut summaries: Vec<ImageSummary> = session.client.document(request).await?;
    summaries.sort_by_key(|image| std::cmp::Reverse(image.created));
    let images: Vec<Image> = summaries.iter().map(image).collect();
    let width = terminal::size().map_or(80, |(_, columns)| usize::from(columns).max(20));
    output::print(&render(&images, width))?;
    Ok(0)
}

/// Which columns there is room for, and how wide the first is.
struct Columns {
    name: usize,
    details: usize,
    has_mark: bool,
}

impl Columns {
    fn fit(images: &[Image], width: usize) -> Self {
        let (mut name, mut details) = (width, 0);
        for column in [ID_WIDTH, USAGE_WIDTH, CONTENT_WIDTH, "EXTRA".len()] {
            if name < column + GAP + LEAST_NAME_WIDTH {
                break;
            }
            name -= column + GAP;
            details += 1;
        }
        let names = images.iter().flat_map(|image| image.names.iter().map(String::len));
        let platforms =
            images.iter().flat_map(|image| image.platforms.iter().map(|(p, _)| p.len() + 3));
        let is_nameless = images.iter().any(|image| image.names.is_empty());
        let fixed = if is_nameless { "<untagged>".len() } else { "IMAGE".len() };
        let widest = names.chain(platforms).max().unwrap_or(0).max(fixed);
        let has_mark = images.iter().any(|image| image.details.is_used);
        Self { name: name.min(widest), details, has_mark }
    }

    fn line(&self, name: &str, cells: [&str; 4]) -> String {
        let shown = human::ellipsis(name, self.name);
        let mut line = format!("{shown:<width$}", width = self.name);
        let [id, usage, content, extra] = cells;
        let padded = [
            format!("{id:<ID_WIDTH$}"),
            format!("{usage:>USAGE_WIDTH$}"),
            format!("{content:>CONTENT_WIDTH$}"),
            format!("{extra:<width$}", width = "EXTRA".len()),
        ];
        for cell in padded.iter().take(self.details) {
            line.push_str(&" ".repeat(GAP));
            line.push_str(cell);
        }
        line + "\n"
    }

    fn details(&self, name: &str, details: &Details) -> String {
        let mark = match (self.has_mark, details.is_used) {
            (true, true) => "U",
            _ => " ",
        };
        let id = human::short_id(&details.id);
        self.line(name, [&id, &details.usage, &details.content, mark])
    }
}

fn render(images: &[Image], width: usize) -> String {
    let columns = Columns::fit(images, width);
    let mut out = format!("{WARNING}\n{:>width$}\n\n", "Info ->  U In Use ");
    out.push_str(&columns.line("IMAGE", ["ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"]));
    let is_spaced = images.iter().any(|image| !image.platforms.is_empty());
    for image in images {
        let (last, others) = match image.names.split_last() {
            Some((last, others)) => (last.as_str(), others),
            None => ("<untagged>", [].as_slice()),
        };
        others.iter().for_each(|name| out.push_str(&format!("{}\n", human::ellipsis(name, width))));
        out.push_str(&columns.details(last, &image.details));
        for (index, (platform, details)) in image.platforms.iter().enumerate() {
            let branch = if index + 1 == image.platforms.len() { "└─" } else { "├─" };
            out.push_str(&columns.details(&format!("{branch} {platform}"), details));
        }
        if is_spaced {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> ImageSummary {
        engine_api::from_slice(text.as_bytes()).unwrap()
    }

    #[test]
    fn platforms_hang_below_the_names() {
        let whole = image(&summary(
            r#"{"Id":"sha256:0123456789abcdef","RepoTags":["a:1","longer:1"],"Size":2000,"Containers":0,
            "Created":1,"Manifests":[
            {"ID":"sha256:fedcba9876543210","Kind":"image","Size":{"Total":1500,"Content":500},
             "ImageData":{"Platform":{"os":"linux","architecture":"arm","variant":"v7"},"Containers":["x"]}},
            {"ID":"sha256:1","Kind":"attestation","Size":{"Content":100}}]}"#,
        ));
        let text = render(&[whole], 80);
        let lines: Vec<_> = text.lines().skip(3).map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "IMAGE             ID             DISK USAGE   CONTENT SIZE   EXTRA",
                "longer:1",
                "a:1               0123456789ab          2kB           600B   U",
                "└─ linux/arm/v7   fedcba987654        1.5kB           500B   U",
                "",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_loses_columns_from_the_right() {
        let plain = image(&summary(
            r#"{"Id":"sha256:0123456789abcdef","RepoTags":["name:tag"],"Size":5,"Containers":-1,"Created":1}"#,
        ));
        let text = render(&[plain], 30);
        assert!(text.contains("name:tag   0123456789ab\n"), "{text}");
    }
}
