//! The program `gantry-shim`: see the library for what it does.

use std::{io, process::ExitCode};

use gantry_shim::{
    arguments::Arguments,
    complaints::Complaints,
    detachment,
    directory::Directory,
    supervisor::{Setup, Supervisor},
};

/// Exit code of a command line that makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!(
                "gantry-shim: {error}\nusage: gantry-shim --dir DIR [--dir-fd N] [--connection-fd N]"
            );
            return ExitCode::from(USAGE);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry-shim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    // First thing: takes descriptors away that nothing here owns.
    let inherited = detachment::keep_only(&arguments)?;
    sys::heap::prefer_small();
    let directory = match inherited.directory {
        Some(handle) => Directory::from_handle(handle),
        None => Directory::open(&arguments.dir)?,
    };
    let listener = directory.listen()?;
    directory.write_pid()?;
    detachment::detach()?;
    complain_about_panics(&directory)?;
    let complaints = Complaints::new(directory.try_clone_handle()?);
    let served = Supervisor::new(Setup { directory, listener, engine: inherited.connection })
        .and_then(Supervisor::run);
    served.inspect_err(|error| complaints.add("supervise", error))
}

/// Standard error leads nowhere by now.
fn complain_about_panics(directory: &Directory) -> io::Result<()> {
    let complaints = Complaints::new(directory.try_clone_handle()?);
    std::panic::set_hook(Box::new(move |panic| complaints.add_text(&panic.to_string())));
    Ok(())
}
