//! Lists of objects: the default table, `table TEMPLATE`, `json`, `raw`-like forms and templates.

use std::collections::{BTreeMap, HashMap};

use gtmpl_ng::Value;

use super::{
    engine::{Compiled, TemplateError, go_json},
    tabwriter::align,
};

/// A field of the rows: its name in templates and its heading in tables.
pub type Column = (&'static str, &'static str);

/// The fields of one object, and its labels for `.Label`.
#[derive(Debug, Default, Clone)]
pub struct Row {
    /// Texts by field name.
    pub fields: HashMap<&'static str, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Row {
    /// A row of these fields.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { fields: fields.into_iter().collect(), labels: BTreeMap::new() }
    }

    /// Adds labels, which also make the field `Labels`.
    #[must_use]
    pub fn with_labels(mut self, labels: &BTreeMap<String, String>) -> Self {
        self.labels.clone_from(labels);
        let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.fields.insert("Labels", pairs.join(","));
        self
    }

    /// The row as JSON.
    pub(crate) fn json(&self) -> String {
        go_json(&self.value())
    }

    /// The row as templates see it.
    pub(crate) fn value(&self) -> Value {
        let mut fields: HashMap<String, Value> = self
            .fields
            .iter()
            .map(|(name, text)| match (*name, text.as_str()) {
                // Docker has no text here but a missing document.
                ("Platform", "") => ("Platform".to_owned(), Value::Nil),
                (name, text) => (name.to_owned(), Value::String(text.to_owned())),
            })
            .collect();
        let labels = self.labels.iter().map(|(k, v)| (k.clone(), Value::String(v.clone())));
        fields.insert("_labels".to_owned(), Value::Map(labels.collect()));
        Value::Object(fields)
    }
}

/// How a kind of object is listed.
pub struct Listing {
    /// All fields.
    pub columns: Vec<Column>,
    /// The fields of the default table, in order.
    pub table: Vec<&'static str>,
    /// The field that `--quiet` prints.
    pub quiet: &'static str,
}

impl Listing {
    fn heading(&self, field: &str) -> &'static str {
        self.columns.iter().find(|(name, _)| *name == field).map_or("", |(_, heading)| heading)
    }

    /// Renders `rows` by `format` (empty: the default table).
    ///
    /// # Errors
    /// [`TemplateError`] for a template that is wrong.
    pub fn render(
        &self,
        format: &str,
        is_quiet: bool,
        rows: &[Row],
    ) -> Result<String, TemplateError> {
        let is_default_table = matches!(format, "" | "table");
        if is_quiet && is_default_table {
            let ids = rows.iter().filter_map(|row| row.fields.get(self.quiet));
            return Ok(ids.map(|id| format!("{id}\n")).collect());
        }
        if is_default_table {
            return Ok(self.default_table(rows));
        }
        if let Some(template) = format.strip_prefix("table ") {
            return self.custom_table(template.trim(), rows);
        }
        if format == "json" {
            return Ok(rows.iter().map(|row| format!("{}\n", go_json(&row.value()))).collect());
        }
        let template = Compiled::new(format)?;
        rows.iter().map(|row| Ok(template.render(row.value())? + "\n")).collect()
    }

    fn default_table(&self, rows: &[Row]) -> String {
        let headings: Vec<_> = self.table.iter().map(|field| self.heading(field)).collect();
        let mut text = headings.join("\t") + "\n";
        for row in rows {
            for (index, field) in self.table.iter().enumerate() {
                if index > 0 {
                    text.push('\t');
                }
                text.push_str(row.fields.get(field).map_or("", String::as_str));
            }
            text.push('\n');
        }
        align(&text)
    }

    fn custom_table(&self, text: &str, rows: &[Row]) -> Result<String, TemplateError> {
        let template = Compiled::new(text)?;
        // Headings are not lowered or cut by the template's functions.
        let plain = Compiled::new(&without_functions(text))?;
        let mut headings: HashMap<String, Value> = self
            .columns
            .iter()
            .map(|(name, heading)| ((*name).to_owned(), Value::String((*heading).to_owned())))
            .collect();
        headings.insert("_labels".to_owned(), Value::Nil);
        let mut out = plain.render(Value::Object(headings))? + "\n";
        for row in rows {
            out.push_str(&template.render(row.value())?);
            out.push('\n');
        }
        Ok(align(&out))
    }
}

/// Takes the functions that change text out of the actions of a template.
fn without_functions(text: &str) -> String {
    const CHANGING: [&str; 7] = ["json", "lower", "upper", "title", "truncate", "split", "join"];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}").map(|at| at + start) else { break };
        out.push_str(&rest[..start]);
        let action = rest[start + 2..end].trim();
        let mut words = action.split_whitespace();
        match words.next() {
            Some(first) if CHANGING.contains(&first) => {
                let field = words.find(|word| word.starts_with('.')).unwrap_or(".");
                out.push_str(&format!("{{{{{field}}}}}"));
            }
            _ => {
                let field = action.split('|').next().unwrap_or(action).trim();
                out.push_str(&format!("{{{{{field}}}}}"));
            }
        }
        rest = &rest[end + 2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Labels", "LABELS")];

    fn listing() -> Listing {
        Listing { columns: COLUMNS.to_vec(), table: vec!["ID", "Names"], quiet: "ID" }
    }

    fn rows() -> Vec<Row> {
        let labels = BTreeMap::from([("a.b".to_owned(), "c".to_owned())]);
        vec![Row::new([("ID", "abc".to_owned()), ("Names", "Web".to_owned())]).with_labels(&labels)]
    }

    #[test]
    fn all_forms() {
        for (format, is_quiet, expected) in [
            ("", false, "CONTAINER ID   NAMES\nabc            Web\n"),
            ("", true, "abc\n"),
            ("table {{.Names}}\\t{{lower .ID}}", false, "NAMES     CONTAINER ID\nWeb       abc\n"),
            ("table {{.ID}}\t{{.Label \"a.b\"}}", false, "CONTAINER ID   b\nabc            c\n"),
            ("json", false, "{\"ID\":\"abc\",\"Labels\":\"a.b=c\",\"Names\":\"Web\"}\n"),
            ("{{json .}}", false, "{\"ID\":\"abc\",\"Labels\":\"a.b=c\",\"Names\":\"Web\"}\n"),
            ("{{.ID}}:{{.Names | lower}}", true, "abc:web\n"),
        ] {
            assert_eq!(listing().render(format, is_quiet, &rows()).unwrap(), expected, "{format}");
        }
        assert!(listing().render("{{.Nosuch}}", false, &rows()).is_err());
    }
}
