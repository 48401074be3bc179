//! Ten `run --rm` at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use super::{BASELINE, GANTRY, latency::interleave};
use crate::bench::{
    command,
    engine::{Engine, IMAGE, Kind, Subject},
    fleet::{Fleet, Ground},
    report::{Table, Target},
};

const AT_ONCE: u32 = 10;

/// The time per container of ten that are started together.
pub fn measure(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, &[Kind::Gantry, Kind::Docker, Kind::Podman])?;
    let series = interleave(&fleet, ground.rounds(10, 2), together)?;
    let title = format!("{AT_ONCE} concurrent `run --rm IMAGE true`, per container");
    let targets = [Target { label: GANTRY, factor: 10.0 }];
    Ok(vec![Table::compare(&title, &series, BASELINE, &targets)])
}

fn together(subject: &Subject, engine: &Engine) -> Result<Duration> {
    let commands = (0..AT_ONCE).map(|_| subject.container(engine, "run", &["--rm", IMAGE, "true"]));
    let began = Instant::now();
    let running: Vec<_> =
        commands.map(|mut one| thread::spawn(move || command::run(&mut one))).collect();
    for one in running {
        one.join().map_err(|_| anyhow!("a client's thread panicked"))??;
    }
    Ok(began.elapsed() / AT_ONCE)
}
