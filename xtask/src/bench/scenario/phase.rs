//! The engine's own part of a run, request by request, without a command line.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bench::{
    api,
    engine::{Engine, IMAGE, Kind},
    fleet::{Fleet, Ground},
    report::{Table, number},
    sample::Samples,
};

/// What is timed, in order.
const PHASES: &[&str] = &[
    "POST create",
    "POST start",
    "POST wait (until exit is seen)",
    "DELETE",
    "create to exit observed",
    "all",
];

/// Create, start, wait, remove: each request's time on each engine.
pub fn measure(ground: &Ground) -> Result<Vec<Table>> {
    let fleet = Fleet::start(ground, &[Kind::Gantry, Kind::Docker])?;
    let mut tables = Vec::new();
    for network in ["default", "none"] {
        let samples = rounds(&fleet, ground.rounds(50, 8), network)?;
        tables.push(table(&fleet, network, &samples));
    }
    drop(fleet);
    tables.push(breakdown(ground)?);
    Ok(tables)
}

/// The engine's own account of the same on the default network, part by part.
fn breakdown(ground: &Ground) -> Result<Table> {
    let flags = ["--log-level", "debug"];
    let engine = Engine::start_with(Kind::Gantry, &ground.programs, &ground.rootfs, &flags)?;
    let engine = engine.context("gantryd was not started")?;
    for _ in 0..=ground.rounds(50, 8) {
        once(&engine, "default")?;
    }
    let mut table = Table::new("Parts of it, as gantryd logs them", &["part", "ms (p10 to p90)"]);
    for (part, samples) in parts(&engine.log()?) {
        table.row(vec![part, spread(&samples)]);
    }
    table.note(
        "the kernel's floor for clone, overlay, pivot_root, exec and wait alone is 1.4 ms on this \
         machine, 1.9 ms with a network namespace",
    );
    Ok(table)
}

/// The `phase` events of a log, in the order of their first appearance.
fn parts(log: &str) -> Vec<(String, Samples)> {
    let mut found: Vec<(String, Samples)> = Vec::new();
    for line in log.lines() {
        let Some((_, rest)) = line.split_once(" micros=") else { continue };
        let Some((micros, rest)) = rest.split_once(" part=\"") else { continue };
        let Some((part, _)) = rest.split_once('"') else { continue };
        let Ok(micros) = micros.parse() else { continue };
        let place = found.iter().position(|(name, _)| name == part).unwrap_or_else(|| {
            found.push((part.to_owned(), Samples::default()));
            found.len() - 1
        });
        found[place].1.push(Duration::from_micros(micros));
    }
    found
}

type PerPhase = Vec<Samples>;

fn rounds(fleet: &Fleet, count: usize, network: &str) -> Result<Vec<PerPhase>> {
    let mut all = vec![vec![Samples::default(); PHASES.len()]; fleet.engines().len()];
    for round in 0..=count {
        for (engine, samples) in fleet.engines().iter().zip(&mut all) {
            let times = once(engine, network)?;
            if round > 0 {
                samples.iter_mut().zip(times).for_each(|(samples, time)| samples.push(time));
            }
        }
    }
    Ok(all)
}

fn once(engine: &Engine, network: &str) -> Result<Vec<Duration>> {
    let socket = engine.socket();
    let body = format!(
        r#"{{"Image":"{IMAGE}","Cmd":["true"],"HostConfig":{{"NetworkMode":"{network}"}}}}"#
    );
    let began = Instant::now();
    let answer = api::post(&socket, "/containers/create", &body)?;
    let created = began.elapsed();
    let document: serde_json::Value = serde_json::from_str(&answer)?;
    let id = document["Id"].as_str().with_context(|| format!("no id in {answer}"))?;
    api::post(&socket, &format!("/containers/{id}/start"), "")?;
    let started = began.elapsed();
    api::post(&socket, &format!("/containers/{id}/wait"), "")?;
    let ended = began.elapsed();
    api::delete(&socket, &format!("/containers/{id}"))?;
    let removed = began.elapsed();
    Ok(vec![created, started - created, ended - started, removed - ended, ended, removed])
}

fn table(fleet: &Fleet, network: &str, samples: &[PerPhase]) -> Table {
    let mut header = vec!["median ms (p10 to p90)"];
    header.extend(fleet.engines().iter().map(|engine| engine.kind.name()));
    let title = format!("Requests of one run of `true`, network `{network}`");
    let mut table = Table::new(title, &header);
    for (place, phase) in PHASES.iter().enumerate() {
        let mut cells = vec![(*phase).to_owned()];
        cells.extend(samples.iter().map(|engine| spread(&engine[place])));
        table.row(cells);
    }
    let own = samples.first().and_then(|phases| phases[4].median());
    if let Some(own) = own {
        let verdict = if own < 20.0 { "reached" } else { "**missed**" };
        table.note(format!(
            "gantryd, create to exit: under 20 ms is wanted, {own:.1} ms: {verdict}"
        ));
    }
    table
}

fn spread(samples: &Samples) -> String {
    let [median, low, high] = [0.5, 0.1, 0.9].map(|part| number(samples.quantile(part)));
    format!("{median} ({low} to {high})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_from_the_engines_log() {
        let log = "T DEBUG container::phase: phase container.id=ab micros=1500 part=\"start: row\"\n\
                   T  INFO gantryd: ready\n\
                   T DEBUG container::phase: phase container.id=cd micros=500 part=\"start: row\"\n";
        let found = parts(log);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "start: row");
        assert_eq!(found[0].1.median(), Some(1.0));
    }
}
