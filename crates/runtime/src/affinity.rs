//! CPUs of a process that joins a container (`process.execCPUAffinity`).
//!
//! Moving into a cgroup with a cpuset resets the affinity, so what is to hold from then on is set
//! after the move; what holds before it keeps the joining itself off other CPUs.

use oci::runtime::ExecCpuAffinity;
use rustix::{process::Pid, thread::CpuSet};

use crate::error::RuntimeError;

/// Before and after the move.
#[derive(Debug, Default)]
pub(crate) struct Affinity {
    initial: Option<CpuSet>,
    last: Option<CpuSet>,
}

impl Affinity {
    /// Reads the configuration.
    pub(crate) fn plan(spec: Option<&ExecCpuAffinity>) -> Result<Self, RuntimeError> {
        let Some(spec) = spec else { return Ok(Self::default()) };
        let set = |text: &Option<String>| {
            text.as_deref().filter(|t| !t.trim().is_empty()).map(parse).transpose()
        };
        Ok(Self { initial: set(&spec.initial)?, last: set(&spec.last)? })
    }

    /// Creator: before the move.
    pub(crate) fn apply_initial(&self, pid: i32) -> Result<(), RuntimeError> {
        apply(self.initial.as_ref(), pid)
    }

    /// Creator: after the move.
    pub(crate) fn apply_last(&self, pid: i32) -> Result<(), RuntimeError> {
        apply(self.last.as_ref(), pid)
    }
}

fn apply(set: Option<&CpuSet>, pid: i32) -> Result<(), RuntimeError> {
    let Some(set) = set else { return Ok(()) };
    rustix::thread::sched_setaffinity(Pid::from_raw(pid), set)
        .map_err(|e| RuntimeError::system("set", "CPU affinity", e))
}

/// A list as `0-3,7`.
fn parse(text: &str) -> Result<CpuSet, RuntimeError> {
    let bad = |reason| RuntimeError::field("process.execCPUAffinity", text, reason);
    let number = |word: &str| {
        let number = word.trim().parse::<usize>().map_err(|_| bad("is not a list of CPUs"))?;
        if number < CpuSet::MAX_CPU { Ok(number) } else { Err(bad("names an impossible CPU")) }
    };
    let mut set = CpuSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad("has a range that ends before it begins"));
        }
        (first..=last).for_each(|cpu| set.set(cpu));
    }
    Ok(set)
}

/// A list of CPUs as a mask in hexadecimal, as logs have it.
///
/// # Errors
/// When it is not a list.
pub fn cpu_mask(list: &str) -> Result<String, RuntimeError> {
    let set = parse(list)?;
    let digit = |at: usize| {
        (0..4).filter(|bit| set.is_set(at * 4 + bit)).fold(0_u32, |digit, bit| digit | 1 << bit)
    };
    let digits: String = (0..CpuSet::MAX_CPU / 4)
        .rev()
        .filter_map(|at| char::from_digit(digit(at), 16))
        .skip_while(|digit| *digit == '0')
        .collect();
    Ok(format!("0x{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_refuses_nonsense() {
        let set = parse("0-2, 7").unwrap();
        let cpus: Vec<usize> = (0..64).filter(|cpu| set.is_set(*cpu)).collect();
        assert_eq!(cpus, [0, 1, 2, 7]);
        assert_eq!(cpu_mask("0-2,7").unwrap(), "0x87");
        for bad in ["", "x", "3-1", "1-", "99999999"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
