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
    report::Table,
};

/// How long a figure may take to settle.
const SETTLE: Duration = Duration::from_secs(20);

/// Proportional set sizes in KiB.
struct Figures {
    idle: u64,
    per_container: f64,
    per_port: f64,
}

/// Idle engine, one more container, one more published port.
pub fn measure(ground: &Ground) -> Result<Vec<Table>> {
    let count = ground.rounds(50, 10);
    let mut table = Table::new(
        format!("Memory (PSS) of the engine's processes, payloads excluded; {count} containers"),
        &["", "idle MB", "per running container MB", "per published port MB"],
    );
    let fleet = Fleet::start(ground, &[Kind::Gantry, Kind::Docker, Kind::Podman])?;
    for subject in fleet.own_subjects() {
        let engine = fleet.engine(&subject)?;
        let figures = figures(&subject, engine, count)?;
        table.row(vec![
            engine.kind.name().to_owned(),
            format!("{:.1}", figures.idle as f64 / 1024.0),
            format!("{:.2}", figures.per_container / 1024.0),
            format!("{:.2}", figures.per_port / 1024.0),
        ]);
        if engine.kind == Kind::Gantry {
            judge(&mut table, "idle", figures.idle as f64 / 1024.0, 15.0);
            judge(&mut table, "per running container", figures.per_container / 1024.0, 0.5);
        }
    }
    Ok(vec![table])
}

fn judge(table: &mut Table, what: &str, measured: f64, limit: f64) {
    let verdict = if measured < limit { "reached" } else { "**missed**" };
    table.note(format!("gantryd, {what}: under {limit} MB is wanted, {measured:.2} MB: {verdict}"));
}

fn figures(subject: &Subject, engine: &Engine, count: usize) -> Result<Figures> {
    let idle = settled(engine)?;
    run_many(subject, engine, count, &[])?;
    let plain = settled(engine)?;
    run_many(subject, engine, count, &["-p", "127.0.0.1::80"])?;
    let published = settled(engine)?;
    let per_container = plain.saturating_sub(idle) as f64 / count as f64;
    let with_port = published.saturating_sub(plain) as f64 / count as f64;
    Ok(Figures { idle, per_container, per_port: (with_port - per_container).max(0.0) })
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

/// The figure once two looks a second apart differ by less than one per cent.
fn settled(engine: &Engine) -> Result<u64> {
    let deadline = Instant::now() + SETTLE;
    let mut before = engine.pss_kib()?;
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = engine.pss_kib()?;
        if now.abs_diff(before) * 100 <= now {
            return Ok(now);
        }
        if Instant::now() > deadline {
            bail!("the memory of {} does not settle: {before} KiB, then {now} KiB", engine.kind.name());
        }
        before = now;
    }
}
