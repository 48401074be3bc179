//! `update`

use std::{fs, path::Path};

use anyhow::Context;
use oci::runtime::{BlockIo, Cpu, LinuxResources, Memory, Pids};

use crate::{arguments::Update, container::Container};

pub fn update(root: &Path, update: &Update) -> anyhow::Result<()> {
    let container = Container::load(root, &update.id)?;
    let resources = match update.resources.as_deref() {
        None => from_options(update),
        Some(path) if path == Path::new("-") => {
            serde_json::from_reader(std::io::stdin()).context("decode standard input")?
        }
        Some(path) => {
            let json = fs::read(path).with_context(|| format!("read {}", path.display()))?;
            serde_json::from_slice(&json).with_context(|| format!("decode {}", path.display()))?
        }
    };
    Ok(container.cgroup.update(&resources)?)
}

fn from_options(update: &Update) -> LinuxResources {
    let memory = Memory {
        limit: update.memory,
        swap: update.memory_swap,
        reservation: update.memory_reservation,
        ..Memory::default()
    };
    let cpu = Cpu {
        shares: update.cpu_shares,
        period: update.cpu_period,
        quota: update.cpu_quota,
        burst: update.cpu_burst,
        realtime_period: update.cpu_rt_period,
        realtime_runtime: update.cpu_rt_runtime,
        cpus: update.cpuset_cpus.clone(),
        mems: update.cpuset_mems.clone(),
        idle: update.cpu_idle,
    };
    let block_io = BlockIo { weight: update.blkio_weight, ..BlockIo::default() };
    LinuxResources {
        memory: Some(memory).filter(|m| *m != Memory::default()),
        cpu: Some(cpu).filter(|c| *c != Cpu::default()),
        block_io: Some(block_io).filter(|b| *b != BlockIo::default()),
        pids: update.pids_limit.map(|limit| Pids { limit }),
        ..LinuxResources::default()
    }
}
