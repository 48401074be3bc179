//! Device rules, as v1 entries and as an eBPF program for v2.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use oci::runtime::DeviceRule;

use super::{CgroupError, Result};

const MKNOD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;

/// One rule, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    is_allowed: bool,
    /// 1: block, 2: character, as the kernel numbers them; `None`: any.
    kind: Option<u32>,
    major: Option<u32>,
    minor: Option<u32>,
    access: u32,
}

impl Rule {
    fn parse(rule: &DeviceRule) -> Result<Self> {
        let invalid = |field, value: &dyn std::fmt::Debug| CgroupError::Value {
            field,
            value: format!("{value:?}"),
        };
        let kind = match rule.kind.as_deref().unwrap_or("a") {
            "" | "a" => None,
            "b" => Some(1),
            "c" | "u" => Some(2),
            other => return Err(invalid("devices.type", &other)),
        };
        let number = |n: Option<i64>| match n {
            None | Some(-1) => Ok(None),
            Some(n) => u32::try_from(n).map(Some).map_err(|_| invalid("devices.major", &n)),
        };
        let mut access = 0;
        for letter in rule.access.as_deref().filter(|a| !a.is_empty()).unwrap_or("rwm").chars() {
            access |= match letter {
                'r' => READ,
                'w' => WRITE,
                'm' => MKNOD,
                other => return Err(invalid("devices.access", &other)),
            };
        }
        Ok(Self {
            is_allowed: rule.allow,
            kind,
            major: number(rule.major)?,
            minor: number(rule.minor)?,
            access,
        })
    }

    fn is_everything(&self) -> bool {
        self.kind.is_none()
            && self.major.is_none()
            && self.minor.is_none()
            && self.access == MKNOD | READ | WRITE
    }
}

/// What every container may use, to be put after a configuration's own rules, as runc does: the
/// making of any node, and the use of those that each container has.
#[must_use]
pub fn default_rules() -> Vec<DeviceRule> {
    let rule = |kind: &str, major, minor, access: &str| DeviceRule {
        allow: true,
        kind: Some(kind.to_owned()),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    let mut rules = vec![rule("c", None, None, "m"), rule("b", None, None, "m")];
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)] {
        rules.push(rule("c", Some(major), Some(minor), "rwm"));
    }
    rules.push(rule("c", Some(136), None, "rwm"));
    rules
}

/// The file and the text of a v1 rule.
pub(super) fn v1_entry(rule: &DeviceRule) -> Result<(&'static str, String)> {
    let parsed = Rule::parse(rule)?;
    let file = if parsed.is_allowed { "devices.allow" } else { "devices.deny" };
    if parsed.is_everything() {
        return Ok((file, "a".to_owned()));
    }
    let kind = match parsed.kind {
        None => 'a',
        Some(1) => 'b',
        Some(_) => 'c',
    };
    let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
    let mut access = String::new();
    for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
        if parsed.access & bit != 0 {
            access.push(letter);
        }
    }
    Ok((file, format!("{kind} {}:{} {access}", number(parsed.major), number(parsed.minor))))
}

/// Puts the rules on a v2 directory, in place of those that were there.
pub(super) fn apply_v2(directory: &Path, rules: &[DeviceRule]) -> Result<()> {
    let rules = rules.iter().map(Rule::parse).collect::<Result<Vec<_>>>()?;
    let fail = |e| CgroupError::file("set device rules of", directory, e);
    let cgroup = File::open(directory).map_err(fail)?;
    sys::device_filter::replace(cgroup.as_fd(), &program(&rules)).map_err(fail)
}

/// Encodes one eBPF instruction.
const fn instruction(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> u64 {
    (code as u64)
        | (((src << 4) | dst) as u64) << 8
        | ((offset as u16) as u64) << 16
        | ((immediate as u32) as u64) << 32
}

/// The rules as a program over `struct bpf_cgroup_dev_ctx` (access << 16 | type, major, minor).
///
/// The last matching rule decides, so the rules are tested from the last to the first. A rule
/// matches when it covers all access bits that are asked for. Nothing matched: denied.
fn program(rules: &[Rule]) -> Vec<u64> {
    // r2 = type, r3 = access, r4 = major, r5 = minor
    let mut code = vec![
        instruction(0x61, 2, 1, 0, 0),
        instruction(0x54, 2, 0, 0, 0xffff),
        instruction(0x61, 3, 1, 0, 0),
        instruction(0x74, 3, 0, 0, 16),
        instruction(0x61, 4, 1, 4, 0),
        instruction(0x61, 5, 1, 8, 0),
    ];
    let mut is_decided = false;
    for rule in rules.iter().rev() {
        let mut tests: Vec<u64> = Vec::new();
        let verdict =
            [instruction(0xb7, 0, 0, 0, i32::from(rule.is_allowed)), instruction(0x95, 0, 0, 0, 0)];
        // Each test jumps over the rest when it fails; the distances are filled in below.
        if let Some(kind) = rule.kind {
            tests.push(instruction(0x55, 2, 0, 0, kind as i32));
        }
        if rule.access != MKNOD | READ | WRITE {
            tests.push(instruction(0xbc, 1, 3, 0, 0));
            tests.push(instruction(0x54, 1, 0, 0, rule.access as i32));
            // r1 (bits asked for and covered) must be all bits asked for.
            tests.push(instruction(0x5d, 1, 3, 0, 0));
        }
        if let Some(major) = rule.major {
            tests.push(instruction(0x55, 4, 0, 0, major as i32));
        }
        if let Some(minor) = rule.minor {
            tests.push(instruction(0x55, 5, 0, 0, minor as i32));
        }
        let length = tests.len() + verdict.len();
        for (at, test) in tests.iter().enumerate() {
            let is_jump = matches!(test & 0xff, 0x55 | 0x5d);
            let distance = if is_jump { (length - at - 1) as u64 } else { 0 };
            code.push(test | distance << 16);
        }
        code.extend(verdict);
        if tests.is_empty() {
            // Matches everything: what came before it does not count.
            is_decided = true;
            break;
        }
    }
    if !is_decided {
        code.push(instruction(0xb7, 0, 0, 0, 0));
        code.push(instruction(0x95, 0, 0, 0, 0));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, text: &str) -> DeviceRule {
        let mut parts = text.split(' ');
        let kind = parts.next().map(str::to_owned);
        let mut numbers = parts.next().unwrap_or("*:*").split(':').map(|n| n.parse().ok());
        DeviceRule {
            allow,
            kind,
            major: numbers.next().flatten(),
            minor: numbers.next().flatten(),
            access: parts.next().map(str::to_owned),
        }
    }

    /// Interprets the subset of eBPF that `program` emits.
    fn run(code: &[u64], kind: u64, access: u64, major: u64, minor: u64) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0usize;
        loop {
            let i = code[at];
            let (op, dst, src) = (i & 0xff, (i >> 8 & 0xf) as usize, (i >> 12 & 0xf) as usize);
            let (offset, imm) = ((i >> 16) as i16, (i >> 32) as u32 as u64);
            at += 1;
            match op {
                0x61 => registers[dst] = context[offset as usize / 4],
                0x54 => registers[dst] &= imm,
                0x74 => registers[dst] >>= imm,
                0xbc => registers[dst] = registers[src],
                0xb7 => registers[dst] = imm,
                0x55 if registers[dst] != imm => at += offset as usize,
                0x5d if registers[dst] != registers[src] => at += offset as usize,
                0x55 | 0x5d => {}
                0x95 => return registers[0] == 1,
                other => panic!("unexpected opcode {other:#x}"),
            }
        }
    }

    #[test]
    fn the_last_matching_rule_decides() {
        let rules: Vec<Rule> = [
            rule(false, "a"),
            rule(true, "c 1:3 rwm"),
            rule(true, "c 136:* rw"),
            rule(true, "b 8:0 r"),
            rule(false, "c 136:7 rwm"),
        ]
        .iter()
        .map(|r| Rule::parse(r).unwrap())
        .collect();
        let code = program(&rules);
        let (block, character) = (1, 2);
        assert!(run(&code, character, u64::from(READ | WRITE), 1, 3));
        assert!(!run(&code, block, u64::from(READ), 1, 3));
        assert!(run(&code, character, u64::from(WRITE), 136, 5));
        assert!(!run(&code, character, u64::from(MKNOD), 136, 5));
        assert!(!run(&code, character, u64::from(WRITE), 136, 7));
        assert!(run(&code, block, u64::from(READ), 8, 0));
        assert!(!run(&code, block, u64::from(READ | WRITE), 8, 0));
        assert!(!run(&code, character, u64::from(READ), 10, 200));
    }

    #[test]
    fn v1_entries_read_as_the_kernel_wants() {
        assert_eq!(v1_entry(&rule(false, "a")).unwrap(), ("devices.deny", "a".to_owned()));
        let entry = v1_entry(&rule(true, "c 5:* rw")).unwrap();
        assert_eq!(entry, ("devices.allow", "c 5:* rw".to_owned()));
        assert!(v1_entry(&rule(true, "x 1:1 r")).is_err());
    }
}
