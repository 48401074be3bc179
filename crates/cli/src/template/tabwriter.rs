//! Columns, as Go's `text/tabwriter` lays them out with docker's settings: cells end with a tab,
//! a column is a run of adjacent lines that have such a cell, at least ten wide with three blanks
//! between columns. Text after the last tab of a line is not a cell and gets no padding.

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Aligns the cells of `text`.
#[must_use]
pub(super) fn align(text: &str) -> String {
    align_with(text, MIN_WIDTH, PADDING)
}

/// Aligns with other measures.
#[must_use]
pub fn align_with(text: &str, min_width: usize, padding: usize) -> String {
    let ends_with_line = text.ends_with('\n');
    let lines: Vec<Vec<&str>> = text
        .strip_suffix('\n')
        .unwrap_or(text)
        .split('\n')
        .map(|l| l.split('\t').collect())
        .collect();
    let mut widths: Vec<Vec<usize>> =
        lines.iter().map(|cells| vec![0; cells.len().saturating_sub(1)]).collect();
    let deepest = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..deepest {
        let mut start = 0;
        while start < lines.len() {
            if widths[start].len() <= column {
                start += 1;
                continue;
            }
            let run = widths[start..].iter().take_while(|w| w.len() > column).count();
            let widest = lines[start..start + run]
                .iter()
                .map(|cells| cells[column].chars().count())
                .max()
                .unwrap_or(0);
            // A column whose cells are all empty is dropped only with a flag docker does not use.
            let width = (widest + padding).max(min_width);
            for line in &mut widths[start..start + run] {
                line[column] = width;
            }
            start += run;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (index, cells) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths[index].get(column) {
                let used = cell.chars().count();
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
            }
        }
    }
    if ends_with_line {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            align("ID\tNAME\tX\n0123456789abcdef\tü\tlast\n"),
            "ID                 NAME      X\n0123456789abcdef   ü         last\n"
        );
    }

    #[test]
    fn a_line_without_the_cell_ends_the_column() {
        assert_eq!(
            align("aaaaaaaaaaaa\tb\nplain\nc\td\n"),
            "aaaaaaaaaaaa   b\nplain\nc         d\n"
        );
    }
}
