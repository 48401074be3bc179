//! Links the program statically: it runs inside whatever root a container has.
//!
//! `-C target-feature=+crt-static` cannot be set for one package, and the workspace's others need
//! shared libraries. See docs/decisions/0004-static-init.md.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The shared libraries that `std` names, and the archives that stand in for them: all of them,
/// for one shared library, even unused, makes lld leave indirect functions to a dynamic linker.
const STAND_INS: &[(&str, &[&str])] = &[
    // The unwinder needs the C library, which it comes before.
    ("gcc_s", &["libgcc_eh.a", "libgcc.a", "libc.a"]),
    ("c", &["libc.a"]),
    ("m", &["libm.a"]),
    ("dl", &["libdl.a"]),
    ("pthread", &["libpthread.a"]),
    ("rt", &["librt.a"]),
    ("util", &["libutil.a"]),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let variable = |name| env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_ENV") != "gnu" || variable("HOST") != variable("TARGET") {
        // musl links statically by itself; for a cross build crt-static has to be asked for.
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    match write_stand_ins(&out) {
        Ok(()) => {
            println!("cargo::rustc-link-search=native={}", out.display());
            println!("cargo::rustc-link-arg=-no-pie");
            println!("cargo::rustc-link-arg=-static");
        }
        Err(missing) => println!(
            "cargo::warning=gantry-init is linked dynamically ({missing} is not installed): \
             --init works only in images with this C library"
        ),
    }
}

/// Writes a linker script for each library, found before the shared one of the same name.
fn write_stand_ins(out: &Path) -> Result<(), String> {
    for (library, archives) in STAND_INS {
        let paths = archives.iter().map(|archive| find(archive)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let script = out.join(format!("lib{library}.so"));
        fs::write(&script, format!("GROUP ( {} )\n", names.join(" ")))
            .map_err(|error| format!("{}: {error}", script.display()))?;
    }
    Ok(())
}

/// Where the C compiler has an archive.
fn find(archive: &str) -> Result<PathBuf, String> {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let output = Command::new(compiler)
        .arg(format!("-print-file-name={archive}"))
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if path.is_absolute() && path.exists() { Ok(path) } else { Err(archive.to_owned()) }
}
