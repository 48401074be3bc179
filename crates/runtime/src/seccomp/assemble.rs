//! The compiler: a policy becomes a tree of comparisons.
//!
//! For each architecture the system call numbers are cut into ranges with one verdict each
//! (neighbouring calls with the same fate share a range); a balanced tree over the ranges takes
//! about eight comparisons to any verdict. Calls above the highest number that the policy names
//! are newer than the policy: they get `ENOSYS`, so that programs fall back, as with runc.

use std::collections::BTreeMap;

use oci::runtime::{Seccomp, SeccompArg, SeccompRule};

use super::{Arch, SeccompError, syscalls::X32_BIT};

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
const JGE: u16 = 0x35;
const RETURN: u16 = 0x06;

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_NOTIFY: u32 = 0x7fc0_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

/// The action that asks a listener.
pub(super) const NOTIFY: &str = "SCMP_ACT_NOTIFY";

const MAX_INSTRUCTIONS: usize = 4096;

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jt: u8,
    pub(super) jf: u8,
    pub(super) k: u32,
}

const fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

/// Compiles a policy to an array of `struct sock_filter` in native byte order.
///
/// # Errors
/// For unknown names of actions, operators or architectures, for what is not built, and for a
/// policy that asks a listener (see [`compile_listening`]). Unknown system calls are passed over.
pub fn compile(policy: &Seccomp) -> Result<Vec<u8>, SeccompError> {
    if super::asks_listener(policy) {
        return Err(SeccompError::Unsupported { feature: "SCMP_ACT_NOTIFY" });
    }
    compile_listening(policy)
}

/// As [`compile`], for who loads the program with a listener.
///
/// # Errors
/// As [`compile`]'s.
pub fn compile_listening(policy: &Seccomp) -> Result<Vec<u8>, SeccompError> {
    let program = assemble(policy)?;
    Ok(program
        .iter()
        .flat_map(|i| {
            let (code, k) = (i.code.to_ne_bytes(), i.k.to_ne_bytes());
            [code[0], code[1], i.jt, i.jf, k[0], k[1], k[2], k[3]]
        })
        .collect())
}

pub(super) fn assemble(policy: &Seccomp) -> Result<Vec<Instruction>, SeccompError> {
    let default = action(&policy.default_action, policy.default_errno_ret)?;
    let rules = policy.syscalls.iter().map(Rule::parse).collect::<Result<Vec<_>, _>>()?;
    let mut program = vec![plain(LOAD, OFFSET_ARCH)];
    for group in group_by_audit(&architectures(policy)?) {
        let body = audit_section(&group, &rules, default);
        program.extend(compare_or_skip(group[0].audit(), body.len()));
        program.extend(body);
    }
    // An architecture that the policy does not name: as libseccomp, its calls kill.
    program.push(plain(RETURN, RET_KILL_THREAD));
    if program.len() > MAX_INSTRUCTIONS {
        return Err(SeccompError::TooLong { instructions: program.len() });
    }
    Ok(program)
}

/// Continues with the next instruction when the accumulator is `k`, else skips `length` ones.
fn compare_or_skip(k: u32, length: usize) -> Vec<Instruction> {
    match u8::try_from(length) {
        Ok(near) => vec![Instruction { code: JEQ, jt: 0, jf: near, k }],
        Err(_) => vec![Instruction { code: JEQ, jt: 1, jf: 0, k }, plain(JUMP, length as u32)],
    }
}

/// The policy's architectures, the native one always among them. Unknown to this compiler but
/// valid in policies (MIPS and others): not of this machine, passed over.
fn architectures(policy: &Seccomp) -> Result<Vec<Arch>, SeccompError> {
    let mut found = vec![Arch::native()];
    for name in &policy.architectures {
        match Arch::parse(name) {
            Some(arch) if !found.contains(&arch) => found.push(arch),
            Some(_) => {}
            None if name.starts_with("SCMP_ARCH_") => {}
            None => {
                return Err(SeccompError::Name { what: "architecture", name: name.clone() });
            }
        }
    }
    Ok(found)
}

/// x86-64 and x32 share one audit number.
fn group_by_audit(architectures: &[Arch]) -> Vec<Vec<Arch>> {
    let mut groups: Vec<Vec<Arch>> = Vec::new();
    for arch in architectures {
        match groups.iter_mut().find(|g| g[0].audit() == arch.audit()) {
            Some(group) => group.push(*arch),
            None => groups.push(vec![*arch]),
        }
    }
    groups
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Return(u32),
    /// The first alternative whose comparisons all hold, else the last value.
    Depends(Vec<(Vec<Comparison>, u32)>, u32),
}

fn audit_section(group: &[Arch], rules: &[Rule], default: u32) -> Vec<Instruction> {
    // Number at which a range starts -> its verdict.
    let mut starts: BTreeMap<u32, Verdict> = BTreeMap::new();
    starts.insert(0, Verdict::Return(RET_KILL_THREAD));
    let is_x86 = group[0].audit() == Arch::X86_64.audit();
    if is_x86 {
        starts.insert(X32_BIT, Verdict::Return(RET_KILL_THREAD));
    }
    for arch in group {
        add_ranges(&mut starts, *arch, rules, default);
    }
    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    for (start, verdict) in starts {
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((start, verdict));
        }
    }
    let mut section = vec![plain(LOAD, OFFSET_NR)];
    section.extend(tree(&ranges));
    section
}

fn add_ranges(starts: &mut BTreeMap<u32, Verdict>, arch: Arch, rules: &[Rule], default: u32) {
    let mut calls: BTreeMap<u32, Vec<(&[Comparison], u32)>> = BTreeMap::new();
    for rule in rules {
        for number in rule.names.iter().filter_map(|name| arch.number(name)) {
            let alternatives = calls.entry(number).or_default();
            alternatives.extend(rule.alternatives.iter().map(|a| (a.as_slice(), rule.action)));
        }
    }
    let first = if arch == Arch::X32 { X32_BIT } else { 0 };
    starts.insert(first, Verdict::Return(default));
    let mut highest = None;
    for (number, alternatives) in calls {
        starts.insert(number, verdict(&alternatives, default));
        starts.insert(number + 1, Verdict::Return(default));
        highest = Some(number);
    }
    // Arm's private calls are far above; they are no measure of the policy's age.
    let highest = highest.filter(|n| *n < first + 0x1000);
    if let (Some(highest), true) = (highest, denies(default)) {
        starts.insert(highest + 1, Verdict::Return(RET_ERRNO | libc::ENOSYS as u32));
    }
}

fn denies(default: u32) -> bool {
    matches!(default & 0xffff_0000, RET_ERRNO | RET_TRAP | RET_KILL_PROCESS | RET_KILL_THREAD)
}

/// A rule without comparisons outweighs those with.
fn verdict(alternatives: &[(&[Comparison], u32)], default: u32) -> Verdict {
    match alternatives.iter().find(|(comparisons, _)| comparisons.is_empty()) {
        Some((_, action)) => Verdict::Return(*action),
        None => Verdict::Depends(
            alternatives.iter().map(|(c, action)| (c.to_vec(), *action)).collect(),
            default,
        ),
    }
}

/// A balanced tree over ranges; the accumulator holds the number.
fn tree(ranges: &[(u32, Verdict)]) -> Vec<Instruction> {
    if let [(_, verdict)] = ranges {
        return leaf(verdict);
    }
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let (boundary, left, right) = (right[0].0, tree(left), tree(right));
    let mut code = match u8::try_from(left.len()) {
        Ok(near) => vec![Instruction { code: JGE, jt: near, jf: 0, k: boundary }],
        Err(_) => vec![
            Instruction { code: JGE, jt: 0, jf: 1, k: boundary },
            plain(JUMP, left.len() as u32),
        ],
    };
    code.extend(left);
    code.extend(right);
    code
}

fn leaf(verdict: &Verdict) -> Vec<Instruction> {
    match verdict {
        Verdict::Return(value) => vec![plain(RETURN, *value)],
        Verdict::Depends(alternatives, otherwise) => {
            let mut code = Vec::new();
            for (comparisons, value) in alternatives {
                code.extend(alternative(comparisons, *value));
            }
            code.push(plain(RETURN, *otherwise));
            code
        }
    }
}

/// Where a comparison's jump goes.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// The next instruction.
    Next,
    /// Past this comparison, which holds.
    Holds,
    /// Past the whole alternative.
    Fails,
}

/// All comparisons, then the verdict; falls out at the end when one does not hold.
fn alternative(comparisons: &[Comparison], value: u32) -> Vec<Instruction> {
    let parts: Vec<Vec<(Instruction, Goal, Goal)>> =
        comparisons.iter().map(Comparison::test).collect();
    let total: usize = parts.iter().map(Vec::len).sum();
    let mut code = Vec::new();
    for part in parts {
        let end = code.len() + part.len();
        for (mut instruction, yes, no) in part {
            let here = code.len() + 1;
            // At most 6 comparisons of at most 6 instructions: every distance fits.
            let distance = |goal| match goal {
                Goal::Next => 0,
                Goal::Holds => (end - here) as u8,
                Goal::Fails => (total + 1 - here) as u8,
            };
            instruction.jt = distance(yes);
            instruction.jf = distance(no);
            code.push(instruction);
        }
    }
    code.push(plain(RETURN, value));
    code
}

/// One rule, checked.
#[derive(Debug)]
struct Rule {
    names: Vec<String>,
    action: u32,
    /// Any of them suffices.
    alternatives: Vec<Vec<Comparison>>,
}

impl Rule {
    fn parse(rule: &SeccompRule) -> Result<Self, SeccompError> {
        let comparisons = rule
            .args
            .iter()
            .map(|arg| Comparison::parse(arg, rule))
            .collect::<Result<Vec<_>, _>>()?;
        // As runc: comparisons of the same argument are alternatives.
        let is_repeated = comparisons
            .iter()
            .enumerate()
            .any(|(at, c)| comparisons[..at].iter().any(|earlier| earlier.index == c.index));
        let alternatives = if is_repeated {
            comparisons.into_iter().map(|c| vec![c]).collect()
        } else {
            vec![comparisons]
        };
        Ok(Self {
            names: rule.names.clone(),
            action: action(&rule.action, rule.errno_ret)?,
            alternatives,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// With a mask.
    Masked(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Comparison {
    index: u32,
    operator: Operator,
    value: u64,
}

impl Comparison {
    fn parse(arg: &SeccompArg, rule: &SeccompRule) -> Result<Self, SeccompError> {
        if arg.index > 5 {
            let syscall = rule.names.first().cloned().unwrap_or_default();
            return Err(SeccompError::Argument { syscall, index: arg.index });
        }
        let operator = match arg.op.as_str() {
            "SCMP_CMP_EQ" => Operator::Equal,
            "SCMP_CMP_NE" => Operator::NotEqual,
            "SCMP_CMP_LT" => Operator::Less,
            "SCMP_CMP_LE" => Operator::LessOrEqual,
            "SCMP_CMP_GT" => Operator::Greater,
            "SCMP_CMP_GE" => Operator::GreaterOrEqual,
            "SCMP_CMP_MASKED_EQ" => Operator::Masked(arg.value),
            other => {
                return Err(SeccompError::Name { what: "operator", name: other.to_owned() });
            }
        };
        let value = if matches!(operator, Operator::Masked(_)) { arg.value_two } else { arg.value };
        Ok(Self { index: arg.index, operator, value })
    }

    /// The test on the two halves of the argument (little endian, high half first).
    fn test(&self) -> Vec<(Instruction, Goal, Goal)> {
        use Goal::{Fails, Holds, Next};
        let low_at = OFFSET_ARGS + 8 * self.index;
        let (high, low) = ((self.value >> 32) as u32, self.value as u32);
        let load_high = (plain(LOAD, low_at + 4), Next, Next);
        let load_low = (plain(LOAD, low_at), Next, Next);
        let test = |code, k, yes, no| (plain(code, k), yes, no);
        match self.operator {
            Operator::Equal => vec![
                load_high,
                test(JEQ, high, Next, Fails),
                load_low,
                test(JEQ, low, Holds, Fails),
            ],
            Operator::NotEqual => vec![
                load_high,
                test(JEQ, high, Next, Holds),
                load_low,
                test(JEQ, low, Fails, Holds),
            ],
            Operator::Masked(mask) => vec![
                load_high,
                (plain(AND, (mask >> 32) as u32), Next, Next),
                test(JEQ, high, Next, Fails),
                load_low,
                (plain(AND, mask as u32), Next, Next),
                test(JEQ, low, Holds, Fails),
            ],
            Operator::Greater | Operator::GreaterOrEqual => {
                let code = if self.operator == Operator::Greater { JGT } else { JGE };
                vec![
                    load_high,
                    test(JGT, high, Holds, Next),
                    test(JEQ, high, Next, Fails),
                    load_low,
                    test(code, low, Holds, Fails),
                ]
            }
            Operator::Less | Operator::LessOrEqual => {
                let code = if self.operator == Operator::Less { JGE } else { JGT };
                vec![
                    load_high,
                    test(JGT, high, Fails, Next),
                    test(JEQ, high, Next, Holds),
                    load_low,
                    test(code, low, Fails, Holds),
                ]
            }
        }
    }
}

/// The return value of an action.
fn action(name: &str, data: Option<u32>) -> Result<u32, SeccompError> {
    let data = data.map(|d| d & 0xffff);
    Ok(match name {
        "SCMP_ACT_ALLOW" => RET_ALLOW,
        "SCMP_ACT_ERRNO" => RET_ERRNO | data.unwrap_or(libc::EPERM as u32),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => RET_KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => RET_KILL_PROCESS,
        "SCMP_ACT_TRAP" => RET_TRAP,
        "SCMP_ACT_TRACE" => RET_TRACE | data.unwrap_or(libc::EPERM as u32),
        "SCMP_ACT_LOG" => RET_LOG,
        NOTIFY => RET_NOTIFY,
        other => return Err(SeccompError::Name { what: "action", name: other.to_owned() }),
    })
}
