//! One command at a time: `run --rm`, `exec`, `start`, `ps -a`.

use std::{process::Command, time::Duration};

use anyhow::Result;

use super::{BASELINE, DOCKER_CLI, GANTRY};
use crate::bench::{
    command::{run as execute, timed},
    engine::{Engine, IMAGE, Kind, Subject},
    fleet::{Fleet, Ground},
    report::{Series, Table, Target, number},
    sample::Samples,
};

const ALL: &[Kind] = &[Kind::Gantry, Kind::Docker, Kind::Podman];
const TEN_AND_SEVEN: &[Target] =
    &[Target { label: GANTRY, factor: 10.0 }, Target { label: DOCKER_CLI, factor: 7.0 }];

/// `run --rm IMAGE true`, with the default network and without one.
pub fn run(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, ALL)?;
    let rounds = ground.rounds(30, 5);
    let bridge = interleave(&fleet, rounds, |subject, engine| {
        let arguments = ["--rm", IMAGE, "true"];
        timed(&mut subject.container(engine, "run", &arguments)).map(|(elapsed, _)| elapsed)
    })?;
    let none = interleave(&fleet, rounds, |subject, engine| {
        let arguments = ["--rm", "--network", "none", IMAGE, "true"];
        timed(&mut subject.container(engine, "run", &arguments)).map(|(elapsed, _)| elapsed)
    })?;
    Ok(vec![
        Table::compare("`run --rm IMAGE true`, default bridge", &bridge, BASELINE, TEN_AND_SEVEN),
        Table::compare("`run --rm --network none IMAGE true`", &none, BASELINE, &[]),
    ])
}

/// `exec NAME true` in a running container.
pub fn exec(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, ALL)?;
    for subject in fleet.own_subjects() {
        let arguments = ["-d", "--name", "target", IMAGE, "sleep", "3600"];
        execute(&mut subject.container(fleet.engine(&subject)?, "run", &arguments))?;
    }
    let series = interleave(&fleet, ground.rounds(30, 5), |subject, engine| {
        timed(&mut subject.command(engine, &["exec", "target", "true"])).map(|(time, _)| time)
    })?;
    let title = "`exec NAME true` in a running container";
    let mut table = Table::compare(title, &series, BASELINE, TEN_AND_SEVEN);
    table.note(own_time_of_docker(ground)?);
    Ok(vec![table])
}

/// What the `docker` program takes before it has asked anybody anything.
fn own_time_of_docker(ground: &Ground) -> Result<String> {
    let mut samples = Samples::default();
    for _ in 0..ground.rounds(30, 5) {
        samples.push(timed(Command::new("docker").arg("--version"))?.0);
    }
    let median = number(samples.median());
    Ok(format!(
        "of which the `docker` program's own start and end (`docker --version`): {median} ms"
    ))
}

/// `start NAME` of an existing container.
pub fn start(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, ALL)?;
    // Each has its own, so that none waits for the end of the other's last run.
    let name = |subject: &Subject| format!("target-{}", subject.label().replace([' ', ','], "-"));
    for subject in &fleet.subjects {
        let arguments = ["--name", &name(subject), IMAGE, "sleep", "3600"];
        execute(&mut subject.container(fleet.engine(subject)?, "create", &arguments))?;
    }
    let series = interleave(&fleet, ground.rounds(20, 4), |subject, engine| {
        let name = name(subject);
        let (elapsed, _) = timed(&mut subject.command(engine, &["start", &name]))?;
        execute(&mut subject.command(engine, &["stop", "-t", "0", &name]))?;
        Ok(elapsed)
    })?;
    let targets = [Target { label: GANTRY, factor: 10.0 }];
    Ok(vec![Table::compare("`start NAME` of an existing container", &series, BASELINE, &targets)])
}

/// `ps -a` with many containers.
pub fn ps(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, ALL)?;
    let count = ground.rounds(200, 40);
    for subject in fleet.own_subjects() {
        for _ in 0..count {
            let engine = fleet.engine(&subject)?;
            execute(&mut subject.container(engine, "create", &[IMAGE, "true"]))?;
        }
    }
    let series = interleave(&fleet, ground.rounds(20, 5), |subject, engine| {
        timed(&mut subject.command(engine, &["ps", "-a"])).map(|(elapsed, _)| elapsed)
    })?;
    let title = format!("`ps -a` with {count} containers");
    let targets = [Target { label: GANTRY, factor: 5.0 }];
    Ok(vec![Table::compare(&title, &series, BASELINE, &targets)])
}

/// Measures every subject once per round; the round before the first is not counted. The order
/// turns by one from round to round, so that no subject always follows the same one.
pub fn interleave(
    fleet: &Fleet,
    rounds: usize,
    measure: impl Fn(&Subject, &Engine) -> Result<Duration>,
) -> Result<Vec<Series>> {
    let count = fleet.subjects.len();
    let mut samples = vec![Samples::default(); count];
    for round in 0..=rounds {
        for turn in 0..count {
            let place = (round + turn) % count;
            let subject = &fleet.subjects[place];
            let elapsed = measure(subject, fleet.engine(subject)?)?;
            if round > 0 {
                samples[place].push(elapsed);
            }
        }
    }
    let labels = fleet.subjects.iter().map(|subject| subject.label().to_owned());
    Ok(labels.zip(samples).map(|(label, samples)| Series { label, samples }).collect())
}
