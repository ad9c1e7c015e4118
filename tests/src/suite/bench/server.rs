//! A real server: nginx, which opens and sends a file for each request.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::Figure;
use super::confined::Confined;
use crate::suite::hooks::agent::PATIENCE;
use crate::suite::wait::eventually;

/// While everybody waits for the disk the clock of this guest leaps from timer to timer, so that seconds of it
/// pass in no time.
const LONG: Duration = PATIENCE.saturating_mul(60);
const ADDRESS: &str = "127.0.0.1:8088";
const REQUESTS: u64 = 200;
const SERIES: usize = 4;
const PAGE: usize = 1000;
const CONFIGURATION: &str = "daemon off;
user www-data;
worker_processes 1;
pid /run/bench.pid;
error_log /var/log/nginx/bench.error;
events { worker_connections 64; }
http {
    access_log /var/log/nginx/bench.log;
    sendfile on;
    keepalive_requests 1000000;
    server { listen 127.0.0.1:8088; root /srv/bench; }
}
";
const REQUEST: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: bench\r\n\r\n";

/// A server that runs.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It takes its worker along. Ended already is as good.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Counts the instructions of everybody involved while the confined server answers; the client is not
/// confined.
pub(super) fn measure(confined: &Confined, figures: &mut Vec<Figure>) -> Result<()> {
    fs::create_dir_all("/srv/bench").context("/srv/bench")?;
    fs::write("/srv/bench/index.html", "x".repeat(PAGE)).context("the page")?;
    fs::write("/srv/bench/nginx.conf", CONFIGURATION).context("the configuration")?;
    let mut command = confined.command("/usr/sbin/nginx")?;
    command.args(["-c", "/srv/bench/nginx.conf"]).stdout(Stdio::null());
    let mut server = Server(command.spawn().context("starting it")?);
    let mut stream = eventually(LONG, "it listens", || {
        if let Some(status) = server.0.try_wait().context("looking after it")? {
            bail!("it ended with {status}: {:?}", fs::read_to_string("/var/log/nginx/bench.error"));
        }
        match TcpStream::connect(ADDRESS) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
            Err(error) => Err(error.into()),
        }
    })?;
    stream.set_nodelay(true).context("its stream")?;
    let mut all = Vec::new();
    for _ in 0..SERIES {
        let started = Instant::now();
        for _ in 0..REQUESTS {
            request(&mut stream)?;
        }
        all.push(u64::try_from(started.elapsed().as_nanos())? / REQUESTS);
    }
    all.sort_unstable();
    figures.push(Figure { op: "server".to_owned(), best: all[0], spread: all[1] - all[0] });
    Ok(())
}

/// One request and its whole answer.
fn request(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(REQUEST).context("asking")?;
    let mut answer = Vec::with_capacity(2048);
    let mut piece = [0; 2048];
    // The page is all of one letter, which the header does not end with.
    while answer.iter().rev().take_while(|byte| **byte == b'x').count() < PAGE {
        let length = stream.read(&mut piece).context("the answer")?;
        ensure!(length > 0, "it hung up after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..length]);
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}
