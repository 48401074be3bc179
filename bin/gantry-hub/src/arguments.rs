//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// The registry with accounts.
#[derive(Debug, Parser)]
#[command(name = "gantry-hub", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT
    Serve(Box<ServeOptions>),
    /// Read the configuration and say whether it is good
    CheckConfig(Place),
    /// Manage accounts; works while the hub serves
    User {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        action: UserAction,
    },
    /// Manage repositories; works while the hub serves
    Repo {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        action: RepoAction,
    },
}

/// Where the hub is.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Directory that holds everything [default: /var/lib/gantry-hub]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ServeOptions {
    #[command(flatten)]
    pub place: Place,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Address that clients reach the hub by [default: what they say in the Host header]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Whether strangers may make accounts [default: closed]
    #[arg(long, value_name = "open|closed")]
    pub signup: Option<String>,
    /// Write the actual port to this file once ready
    #[arg(long, value_name = "PATH")]
    pub port_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum UserAction {
    /// Make an account
    Add {
        name: String,
        /// May do everything
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List accounts
    Ls,
    /// Remove an account that has no repositories
    Rm { name: String },
    /// Change a password, revoking the account's refresh tokens
    Passwd {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

/// Where a password comes from; never the command line, which others can see.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PasswordSource {
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Read the password from a file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum RepoAction {
    /// List repositories that hold manifests
    Ls,
    /// Say who may pull without logging in
    SetVisibility {
        name: String,
        #[arg(value_name = "public|private")]
        visibility: String,
    },
}

/// Reads an address; without a port it is 5000.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    const PORT: u16 = 5000;
    let with_port = text.parse::<SocketAddr>();
    let alone = || text.parse::<std::net::IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    with_port.or_else(|_| alone()).map_err(|_| "expected IP or IP:PORT".to_owned())
}
