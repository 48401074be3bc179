//! The client: Docker's command language for a Gantry engine. Everything is in the crate `cli`.

use std::process::exit;

fn main() {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    exit(i32::from(cli::main(&arguments)));
}
