//! Pull and push of a large image, from and to a registry on the loopback.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{BASELINE, GANTRY};
use crate::bench::{
    command::{run, timed},
    engine::{Client, Engine, Kind, Subject},
    fleet::{Fleet, Ground},
    large_image::{self, NAME},
    process,
    registry::{self, ADDRESS, PROGRAM, Registry},
    report::{Series, Table, Target},
    sample::Samples,
};

/// What is timed.
const STEPS: &[&str] = &[
    "load of the archive",
    "push of an image that was loaded",
    "pull",
    "push of an image that was pulled",
];

const TARGETS: [Target; 1] = [Target { label: GANTRY, factor: 3.0 }];

/// Push, pull, push again.
pub fn measure(ground: &Ground) -> Result<Vec<Table>> {
    if !registry::is_available() {
        bail!("{PROGRAM} is not installed");
    }
    let scratch = ground.rootfs.with_file_name("large");
    std::fs::create_dir_all(&scratch)?;
    let archive = large_image::make(&scratch)?;
    let fleet = Fleet::start(ground, &[Kind::Gantry, Kind::Docker, Kind::Podman])?;
    let subjects = fleet.own_subjects();
    let mut samples = vec![vec![Samples::default(); subjects.len()]; STEPS.len()];
    let mut peaks = vec![0; subjects.len()];
    for _ in 0..ground.rounds(3, 1) {
        for (place, subject) in subjects.iter().enumerate() {
            let engine = fleet.engine(subject)?;
            let transfer = Transfer { subject, engine };
            let mut load = subject.command(engine, &["load", "-i"]);
            let (loaded, _) = timed(load.arg(&archive))?;
            let times = std::iter::once(loaded).chain(transfer.round()?);
            for (step, time) in times.enumerate() {
                samples[step][place].push(time);
            }
            peaks[place] = peaks[place].max(process::peak_rss_kib(engine.site().root()));
        }
    }
    std::fs::remove_dir_all(&scratch)?;
    let mut tables = Vec::new();
    for (title, of_step) in STEPS.iter().zip(samples) {
        let labels = subjects.iter().map(|subject| subject.label().to_owned());
        let series: Vec<_> =
            labels.zip(of_step).map(|(label, samples)| Series { label, samples }).collect();
        let wanted = if title.starts_with("load") { &[][..] } else { &TARGETS[..] };
        let title = format!("{title}: {} layers, 500 MB, {PROGRAM}", large_image::LAYERS);
        tables.push(Table::compare(&title, &series, BASELINE, wanted));
    }
    tables.push(memory(&subjects, &peaks));
    Ok(tables)
}

fn memory(subjects: &[Subject], peaks: &[u64]) -> Table {
    let mut table = Table::new("Peak memory (RSS) of the daemons meanwhile", &["", "MB"]);
    for (subject, peak) in subjects.iter().zip(peaks) {
        if subject.engine() != Kind::Podman {
            let peak = format!("{:.0}", *peak as f64 / 1024.0);
            table.row(vec![subject.engine().name().to_owned(), peak]);
        }
    }
    table
}

/// One client's transfers.
struct Transfer<'a> {
    subject: &'a Subject,
    engine: &'a Engine,
}

impl Transfer<'_> {
    fn round(&self) -> Result<[Duration; 3]> {
        let remote = format!("{ADDRESS}/{NAME}");
        let (first, pulled) = {
            let _registry = Registry::start(self.engine.site())?;
            run(&mut self.subject.command(self.engine, &["tag", NAME, &remote]))?;
            let first = self.remote("push", &remote)?;
            run(&mut self.subject.command(self.engine, &["rmi", &remote, NAME]))?;
            (first, self.remote("pull", &remote)?)
        };
        let second = {
            let _registry = Registry::start(self.engine.site())?;
            self.remote("push", &remote)?
        };
        run(&mut self.subject.command(self.engine, &["rmi", &remote]))?;
        Ok([first, pulled, second])
    }

    fn remote(&self, verb: &str, name: &str) -> Result<Duration> {
        let mut command = self.subject.command(self.engine, &[verb]);
        if self.subject.client == Client::Podman {
            command.arg("--tls-verify=false");
        }
        timed(command.arg(name)).map(|(elapsed, _)| elapsed)
    }
}
