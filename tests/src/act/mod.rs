//! `guest act …`: the program that every case runs. It does one thing and says by its exit code whether
//! it could: 0 done, 40 refused (`EACCES`, `EPERM`), 41 anything else.

mod bench;
mod facility;
mod files;
mod flood;
mod given;
mod listen;
mod names;
mod net;
mod probe;
mod process;
mod race;
mod send;

pub(crate) use self::bench::{SERIES, STARTS};
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;

/// Exit code of an action that was refused.
pub(crate) const REFUSED: u8 = 40;
/// Exit code of an action that failed in any other way.
pub(crate) const BROKEN: u8 = 41;

/// The verb's entry; `words` are all arguments after `act`.
pub(crate) fn main(words: &[String]) -> ExitCode {
    ExitCode::from(attempt(words))
}

/// Does it, and what stands behind each `then`, until something fails; tells on standard error why.
fn attempt(words: &[String]) -> u8 {
    let mut done = Ok(0);
    for action in words.split(|word| word == "then") {
        done = perform(action);
        if !matches!(done, Ok(0)) {
            break;
        }
    }
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error:#}", words.join(" "));
            if is_refusal(&error) { REFUSED } else { BROKEN }
        }
    }
}

/// Whether the kernel refused, whoever wrapped its answer.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let by_std = cause.downcast_ref::<io::Error>();
        let errno = by_std.and_then(Errno::from_io_error).or(cause.downcast_ref::<Errno>().copied());
        let by_nix = cause.downcast_ref::<nix::errno::Errno>();
        let errno = errno.or(by_nix.map(|errno| Errno::from_raw_os_error(*errno as i32)));
        errno.is_some_and(|errno| matches!(errno, Errno::ACCESS | Errno::PERM))
    })
}

/// Wrappers take the rest of the words as the action that they wrap.
fn perform(words: &[String]) -> Result<u8> {
    let Some((verb, rest)) = words.split_first() else { bail!("nothing to do") };
    let word = |index: usize| rest.get(index).with_context(|| format!("{verb}: argument {index} is missing"));
    match verb.as_str() {
        "child" => process::child(rest),
        "thread" => process::thread(rest),
        "cgroup" => process::cgroup(word(0)?, &rest[1..]),
        "orphan" => process::orphan(rest),
        "after" => process::after(word(0)?.parse()?, &rest[1..]),
        "join" => process::join(word(0)?, &rest[1..]),
        "chdir" => process::chdir(word(0)?, 1, &rest[1..]),
        "unshared" => process::unshared(rest),
        "chroot" => process::chroot(word(0)?, &rest[1..]),
        "descend" => process::chdir(word(0)?, word(1)?.parse()?, &rest[2..]),
        "exec" => process::exec(word(0)?, &rest[1..]),
        "spawn" => process::spawn(word(0)?, &rest[1..]),
        "execveat" => process::execveat(word(0)?, word(1)?, &rest[2..]),
        "exit" => Ok(word(0)?.parse()?),
        "die" => process::die(),
        "pidfd" => process::pidfd(),
        "open" => files::open(word(0)?, word(1)?, rest.get(2).map(String::as_str)),
        "read" => files::read(word(0)?),
        "reads" => files::reads(word(0)?),
        "list" => files::list(word(0)?),
        "deleted" => files::deleted(word(0)?),
        "given" => given::given(word(0)?),
        "receive" => given::receive(word(0)?),
        "received" => given::received(word(0)?, &rest[1..]),
        "setxattr" => given::setxattr(word(0)?, word(1)?),
        "removexattr" => given::removexattr(word(0)?, word(1)?),
        "setacl" => given::setacl(word(0)?),
        "stamp" => given::stamp(word(0)?, word(1)?),
        "futimes" => given::futimes(word(0)?),
        "setflags" => given::setflags(word(0)?),
        "load" => files::load(word(0)?, word(1)?, word(2)?),
        "probe" => probe::run(word(0)?),
        "denials" => flood::denials(word(0)?, word(1)?.parse()?),
        "crowd" => flood::names(word(0)?, word(1)?.parse()?),
        "forks" => flood::forks(word(0)?, word(1)?.parse()?),
        "race" => race::run(word(0)?, word(1)?.parse()?),
        "until" => files::until(word(0)?),
        "connect" => net::connect(word(0)?, word(1)?),
        "listen" => listen::listen(word(0)?, word(1)?),
        "accept" => listen::accept(),
        "send" => send::send(word(0)?, word(1)?, rest.get(2).map(String::as_str)),
        "disconnect" => net::disconnect(word(0)?),
        "apparmor" => process::apparmor(word(0)?, word(1)?, &rest[2..]),
        "bench" => bench::bench(rest),
        "serve" => serve(),
        "at" => names::at(word(0)?, &rest[1..]),
        "maps" => facility::maps(word(0)?, rest.get(1)),
        "detached" => facility::detached(word(0)?, &rest[1..]),
        "mount" => facility::mount(word(0)?, &rest[1..]),
        _ => names::here(verb, rest),
    }
}

/// Does one action for each line of standard input and answers with a line `=CODE`, until there are no more.
fn serve() -> Result<u8> {
    for line in io::stdin().lock().lines() {
        let line = line.context("standard input")?;
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let code = attempt(&words);
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "\n={code}").and_then(|()| stdout.flush()).context("standard output")?;
    }
    Ok(0)
}
