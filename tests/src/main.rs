//! The guests' only program of our own. As process 1 it makes a machine of the guest and powers it off;
//! called as `guest suite NAME` it runs one suite and prints what became of each case; called as `guest
//! act …` it is the program that the cases run.

mod act;
mod boot;
mod suite;

use std::process::{self, ExitCode};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};

use crate::suite::{Report, Style};

fn main() -> ExitCode {
    if process::id() == 1 {
        boot::run();
    }
    let words: Vec<String> = env::args().collect();
    if let [_, verb, rest @ ..] = &words[..]
        && verb == "act"
    {
        return act::main(rest);
    }
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `guest suite NAME [--plain] [FILTER]`.
fn run() -> Result<bool> {
    let mut arguments = env::args().skip(1);
    let (Some(verb), Some(name)) = (arguments.next(), arguments.next()) else {
        bail!("usage: guest suite NAME [--plain] [FILTER]");
    };
    if verb != "suite" {
        bail!("unknown verb `{verb}`; usage: guest suite NAME [--plain] [FILTER]");
    }
    let mut style = Style::Protocol;
    let mut filter = None;
    for argument in arguments {
        if argument == "--plain" {
            style = Style::Plain;
        } else {
            filter = Some(argument);
        }
    }
    if filter.is_none() {
        filter = filter_file().context("reading the filter")?;
    }
    let mut report = Report::new(style, filter);
    suite::run(&name, &mut report)?;
    Ok(report.finish())
}

/// The filter that came with the guest.
fn filter_file() -> io::Result<Option<String>> {
    match fs::read_to_string("/stockade/filter") {
        Ok(filter) => Ok(Some(filter)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
