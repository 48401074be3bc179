//! What the engines hold in memory: idle, per container, per published port.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::bench::{
    command,
    engine::{Engine, IMAGE, Kind, Subject},
    fleet::{Fleet, Ground},
    process,
    report::Table,
};

/// How long a figure may take to settle.
const SETTLE: Duration = Duration::from_secs(20);

/// Proportional set sizes in KiB: of the processes that were there when the engine was idle, and
/// of those that came with containers and ports.
#[derive(Debug, Clone, Copy)]
struct Held {
    daemons: u64,
    others: u64,
}

impl Held {
    fn all(self) -> u64 {
        self.daemons + self.others
    }
}

/// The row of an engine, in MB.
struct Figures {
    idle: f64,
    per_container: f64,
    of_that_daemons: f64,
    per_port: f64,
}

/// Idle engine, one more container, one more published port.
pub fn measure(ground: &Ground) -> Result<Vec<Table>> {
    let count = ground.rounds(50, 10);
    let mut table = Table::new(
        format!(
            "Memory (PSS) of the engine's processes, payloads excluded, MB; {count} containers"
        ),
        &["", "idle", "per running container", "of that in the daemons", "per published port"],
    );
    let fleet = Fleet::start(ground, &[Kind::Gantry, Kind::Docker, Kind::Podman])?;
    for subject in fleet.own_subjects() {
        let engine = fleet.engine(&subject)?;
        let figures = figures(&subject, engine, count)?;
        table.row(vec![
            engine.kind.name().to_owned(),
            format!("{:.1}", figures.idle),
            format!("{:.2}", figures.per_container),
            format!("{:.2}", figures.of_that_daemons),
            format!("{:.2}", figures.per_port),
        ]);
        if engine.kind == Kind::Gantry {
            judge(&mut table, "idle", figures.idle, 15.0);
            judge(&mut table, "per running container", figures.per_container, 0.5);
        }
    }
    table.note(
        "per published port: what helper processes hold more for a container with one; a \
         daemon's own part is below what its heap varies by",
    );
    Ok(vec![table])
}

fn judge(table: &mut Table, what: &str, measured: f64, limit: f64) {
    let verdict = if measured < limit { "reached" } else { "**missed**" };
    table.note(format!("gantryd, {what}: under {limit} MB is wanted, {measured:.2} MB: {verdict}"));
}

fn figures(subject: &Subject, engine: &Engine, count: usize) -> Result<Figures> {
    let daemons = process::of_engine(engine.site().root());
    let idle = settled(engine, &daemons)?;
    run_many(subject, engine, count, &[])?;
    let plain = settled(engine, &daemons)?;
    run_many(subject, engine, count, &["-p", "127.0.0.1::80"])?;
    let published = settled(engine, &daemons)?;
    let each = |before: u64, after: u64| (after as f64 - before as f64) / count as f64 / 1024.0;
    Ok(Figures {
        idle: idle.all() as f64 / 1024.0,
        per_container: each(idle.all(), plain.all()),
        of_that_daemons: each(idle.daemons, plain.daemons),
        per_port: each(plain.others, published.others) - each(idle.others, plain.others),
    })
}

fn run_many(subject: &Subject, engine: &Engine, count: usize, flags: &[&str]) -> Result<()> {
    for _ in 0..count {
        let mut arguments = vec!["-d"];
        arguments.extend(flags);
        arguments.extend([IMAGE, "sleep", "3600"]);
        command::run(&mut subject.container(engine, "run", &arguments))?;
    }
    Ok(())
}

/// The figures once two looks a second apart differ by less than one per cent.
fn settled(engine: &Engine, daemons: &[u32]) -> Result<Held> {
    let deadline = Instant::now() + SETTLE;
    let mut before = held(engine, daemons)?;
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = held(engine, daemons)?;
        if now.all().abs_diff(before.all()) * 100 <= now.all() {
            return Ok(now);
        }
        if Instant::now() > deadline {
            bail!("{} does not settle: {before:?}, then {now:?}", engine.kind.name());
        }
        before = now;
    }
}

fn held(engine: &Engine, daemons: &[u32]) -> Result<Held> {
    let mut others = process::of_engine(engine.site().root());
    others.retain(|pid| !daemons.contains(pid));
    Ok(Held { daemons: process::pss_kib(daemons)?, others: process::pss_kib(&others)? })
}
