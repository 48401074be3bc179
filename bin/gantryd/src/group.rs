//! Groups by name, from `/etc/group`.

use std::{fs, io};

/// The id of a group given by name or number; `None` if there is no such group.
///
/// # Errors
/// `/etc/group` cannot be read.
pub fn id(name: &str) -> io::Result<Option<u32>> {
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    Ok(find(&fs::read_to_string("/etc/group")?, name))
}

fn find(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        fields.nth(1).filter(|_| is_it)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_taken_by_number() {
        let groups = "root:x:0:\n# comment\ngantry:x:998:a,b\n";
        assert_eq!(find(groups, "gantry"), Some(998));
        assert_eq!(find(groups, "gan"), None);
        assert_eq!(id("0").unwrap(), Some(0));
        assert_eq!(id("root").unwrap(), Some(0));
    }
}
