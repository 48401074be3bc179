//! The compiled program against a plain reading of the policy.

use oci::runtime::{Seccomp, SeccompArg, SeccompRule};
use proptest::prelude::*;

use super::{
    Arch, DefaultPolicy, KernelVersion,
    assemble::{Instruction, assemble},
    resolve,
};

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

/// `struct seccomp_data`, as far as filters read it.
#[derive(Debug, Clone, Copy)]
struct Call {
    number: u32,
    audit: u32,
    args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.audit,
            16..64 => {
                let value = self.args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { value as u32 } else { (value >> 32) as u32 }
            }
            other => panic!("load of {other}"),
        }
    }
}

/// Runs a program as the kernel does.
fn run(program: &[Instruction], call: &Call) -> u32 {
    let (mut at, mut accumulator) = (0usize, 0u32);
    loop {
        let i = program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { i.jt } else { i.jf });
        match i.code {
            0x20 => accumulator = call.word(i.k),
            0x54 => accumulator &= i.k,
            0x05 => at += i.k as usize,
            0x15 => at += jump(accumulator == i.k),
            0x25 => at += jump(accumulator > i.k),
            0x35 => at += jump(accumulator >= i.k),
            0x06 => return i.k,
            other => panic!("opcode {other:#x}"),
        }
    }
}

fn holds(arg: &SeccompArg, call: &Call) -> bool {
    let value = call.args[arg.index as usize];
    match arg.op.as_str() {
        "SCMP_CMP_EQ" => value == arg.value,
        "SCMP_CMP_NE" => value != arg.value,
        "SCMP_CMP_LT" => value < arg.value,
        "SCMP_CMP_LE" => value <= arg.value,
        "SCMP_CMP_GT" => value > arg.value,
        "SCMP_CMP_GE" => value >= arg.value,
        "SCMP_CMP_MASKED_EQ" => value & arg.value == arg.value_two,
        other => panic!("operator {other}"),
    }
}

/// What the policy says about a native call, read rule by rule.
fn expected(policy: &Seccomp, name: &str, call: &Call) -> u32 {
    let value = |action: &str, errno: Option<u32>| match action {
        "SCMP_ACT_ALLOW" => ALLOW,
        "SCMP_ACT_ERRNO" => ERRNO | errno.unwrap_or(1),
        other => panic!("action {other}"),
    };
    let rules: Vec<&SeccompRule> =
        policy.syscalls.iter().filter(|r| r.names.iter().any(|n| n == name)).collect();
    let plain = rules.iter().find(|r| r.args.is_empty());
    let matching = rules.iter().find(|r| r.args.iter().all(|a| holds(a, call)));
    match plain.or(matching) {
        Some(rule) => value(&rule.action, rule.errno_ret),
        None => value(&policy.default_action, policy.default_errno_ret),
    }
}

const NAMES: [&str; 8] =
    ["read", "write", "clone", "socket", "personality", "ioctl", "mount", "statmount"];
const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_GT",
    "SCMP_CMP_GE",
    "SCMP_CMP_MASKED_EQ",
];

/// Few distinct values, in both halves, so that equality happens.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4u64,
        (0..3u64).prop_map(|n| n << 32),
        (0..3u64, 0..3u64).prop_map(|(h, l)| h << 32 | l),
        Just(u64::MAX),
        any::<u64>(),
    ]
}

fn rule() -> impl Strategy<Value = SeccompRule> {
    let arg = (0..OPERATORS.len(), value(), value());
    (
        prop::sample::subsequence(NAMES.to_vec(), 1..4),
        any::<bool>(),
        1..100u32,
        prop::collection::vec(arg, 0..4),
    )
        .prop_map(|(names, is_allowed, errno, args)| SeccompRule {
            names: names.into_iter().map(str::to_owned).collect(),
            action: if is_allowed { "SCMP_ACT_ALLOW" } else { "SCMP_ACT_ERRNO" }.to_owned(),
            errno_ret: Some(errno),
            args: args
                .into_iter()
                .enumerate()
                .map(|(index, (operator, value, value_two))| SeccompArg {
                    index: index as u32,
                    value,
                    value_two,
                    op: OPERATORS[operator].to_owned(),
                })
                .collect(),
        })
}

proptest! {
    #[test]
    fn the_program_says_what_the_policy_says(
        mut rules in prop::collection::vec(rule(), 0..12),
        args in prop::array::uniform6(value()),
        is_allowed in any::<bool>(),
    ) {
        // Named, so that none of `NAMES` counts as newer than the policy.
        rules.push(SeccompRule {
            names: vec!["file_setattr".to_owned()],
            action: "SCMP_ACT_ALLOW".to_owned(),
            ..SeccompRule::default()
        });
        let policy = Seccomp {
            default_action: if is_allowed { "SCMP_ACT_ALLOW" } else { "SCMP_ACT_ERRNO" }.to_owned(),
            default_errno_ret: Some(13),
            syscalls: rules,
            ..Seccomp::default()
        };
        let program = assemble(&policy).unwrap();
        for name in NAMES.iter().chain(&["open_tree", "execve"]) {
            let arch = Arch::native();
            let call = Call { number: arch.number(name).unwrap(), audit: arch.audit(), args };
            prop_assert_eq!(run(&program, &call), expected(&policy, name, &call), "{}", name);
        }
    }
}

fn docker() -> Seccomp {
    let kernel = KernelVersion { major: 6, minor: 1 };
    resolve(&DefaultPolicy::docker().unwrap(), &[], Arch::X86_64, kernel)
}

#[test]
fn dockers_policy_compiles_to_what_it_says_for_every_architecture() {
    let policy = docker();
    let program = assemble(&policy).unwrap();
    let names: Vec<&String> = policy.syscalls.iter().flat_map(|r| &r.names).collect();
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        for name in names.iter().copied().chain([&"mount".to_owned(), &"bpf".to_owned()]) {
            let Some(number) = arch.number(name) else { continue };
            for first in [0, 8, 38, 40, 0x1000_0000, 0x7e02_0000, u64::MAX] {
                let call = Call { number, audit: arch.audit(), args: [first; 6] };
                assert_eq!(run(&program, &call), expected(&policy, name, &call), "{name}");
            }
        }
    }
}

#[test]
fn newer_calls_do_not_exist_and_foreign_architectures_kill() {
    let program = assemble(&docker()).unwrap();
    let call = |number, audit| Call { number, audit, args: [0; 6] };
    let native = Arch::X86_64.audit();
    assert_eq!(run(&program, &call(100_000, native)), ERRNO | 38);
    assert_eq!(run(&program, &call(0, Arch::Aarch64.audit())), 0);
    // `mount` is known and denied.
    assert_eq!(run(&program, &call(165, native)), ERRNO | 1);
}

#[test]
fn x32_is_closed_unless_the_policy_names_it() {
    let mut policy = docker();
    policy.architectures = vec!["SCMP_ARCH_X86_64".to_owned()];
    let program = assemble(&policy).unwrap();
    let number = Arch::X32.number("read").unwrap();
    let call = Call { number, audit: Arch::X86_64.audit(), args: [0; 6] };
    assert_eq!(run(&program, &call), 0);
}

#[test]
fn unknown_names_of_calls_pass_and_of_actions_do_not() {
    let mut policy = docker();
    policy.syscalls[0].names.push("no_such_call".to_owned());
    assert!(assemble(&policy).is_ok());
    policy.syscalls[0].action = "SCMP_ACT_NOTHING".to_owned();
    assert!(assemble(&policy).is_err());
}
