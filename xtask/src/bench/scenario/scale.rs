//! Many containers at once, and whether starting one gets slower the more there are.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::bench::{
    command,
    engine::{Engine, IMAGE, Kind, Subject},
    fleet::{Fleet, Ground},
    report::Table,
};

/// Containers per row of the table.
const STEP: usize = 50;

/// 500 containers on Gantry, beside 100 on Docker.
pub fn measure(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, &[Kind::Gantry, Kind::Docker])?;
    let mut tables = Vec::new();
    for subject in fleet.own_subjects() {
        let count = match subject.engine() {
            Kind::Gantry => ground.rounds(500, 100),
            _ => ground.rounds(100, 50),
        };
        tables.push(fill(&subject, fleet.engine(&subject)?, count)?);
    }
    Ok(tables)
}

fn fill(subject: &Subject, engine: &Engine, count: usize) -> Result<Table> {
    let title = format!("{count} containers at once: {}", subject.label());
    let mut table = Table::new(title, &["running before", "`run -d` ms, mean", "per second"]);
    let mut means = Vec::new();
    for before in (0..count).step_by(STEP) {
        let began = Instant::now();
        for _ in 0..STEP {
            let arguments = ["-d", IMAGE, "sleep", "3600"];
            command::run(&mut subject.container(engine, "run", &arguments))?;
        }
        let mean = began.elapsed().as_secs_f64() * 1000.0 / STEP as f64;
        means.push(mean);
        let rate = format!("{:.1}", 1000.0 / mean);
        table.row(vec![before.to_string(), format!("{mean:.1}"), rate]);
    }
    let running = command::run(&mut subject.command(engine, &["ps", "-q"]))?.lines().count();
    if running != count {
        bail!("{}: {running} of {count} containers run", subject.label());
    }
    if let (Some(first), Some(last)) = (means.first(), means.last()) {
        table.note(format!(
            "all {count} run; the last {STEP} took {:.2}x of the first",
            last / first
        ));
    }
    Ok(table)
}
