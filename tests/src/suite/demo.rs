//! The demonstration: a real nginx in a real container is learned, enforced, and broken into.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Report;
use super::containers::{sh, shell};
use super::hooks::agent::{Agent, PROFILES, cli, install, status, told};
use super::stockade;
use super::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
const IMAGE: &str = "localhost/demo-nginx";
const NAME: &str = "demo-web";
const URL: &str = "http://127.0.0.1:8089/";
/// An address of the documentation range: nobody answers there.
const ELSEWHERE: &str = "203.0.113.7:443";

const HOOK: &str = "/usr/share/containers/oci/hooks.d/stockade.json";

const LEARN: &str =
    "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: web }\nspec:\n  mode: learn\n";

/// What the person at the console may do in the container, added to what nginx was seen to do: start a
/// shell that can copy itself. It is enough of a foothold to try the rest.
const DOOR: &str = "  sessions:
    exec: [/bin/busybox]
    files:
      - { path: /bin/busybox, access: [read] }
      - { path: /tmp/*, access: [create, write] }
";

/// Runs the demonstration.
pub(super) fn run(report: &mut Report) -> Result<()> {
    let shown = show(report);
    // Whatever became of it, the machine is left as it was.
    let removed = shell(&format!("podman rm -f -t 0 {NAME}; rm -rf {HOOK} /tmp/state /tmp/demo-image"));
    let uninstalled = cli(&["agent", "--uninstall"]);
    for left in [removed, uninstalled] {
        if let Err(error) = left {
            report.fail("tidy", &format!("{error:#}"));
        }
    }
    if let Err(error) = &shown {
        report.fail("demo", &format!("{error:#}"));
    }
    Ok(())
}

fn show(report: &mut Report) -> Result<()> {
    report.say("== 1. An image with nginx, and the node agent");
    image()?;
    fs::create_dir_all(PROFILES).context(PROFILES)?;
    fs::write(format!("{PROFILES}/web.yaml"), LEARN).context("the profile")?;
    fs::create_dir_all("/usr/share/containers/oci/hooks.d").context("hooks.d")?;
    fs::write(HOOK, cli(&["oci-hook", "--print-config"])?.stdout).context("hooks.d")?;
    let agent = Agent::start()?;
    show_command(report, "stockade status", &lines(&stockade_says(&["status"])?, 4));

    report.say("");
    report.say("== 2. Learn: run the container, send it requests");
    let run = format!(
        "podman run -d --name {NAME} --net host --annotation stockade.dev/profile=web {IMAGE} /usr/sbin/nginx"
    );
    start(&run)?;
    show_command(report, &run, "");
    let answered = requests()?;
    show_command(report, &format!("curl {URL}   # 20 times"), &answered);
    sh(&format!("podman stop -t 10 {NAME}; podman rm -f {NAME}"))?;
    let learned = stockade_says(&["profile", "export", "web"])?;
    show_command(report, "stockade profile export web", &learned);

    report.say("");
    report.say("== 3. Enforce: the same container, judged by what was learned");
    report.say("# mode: enforce, and one line more: a person's session may start a shell");
    report.say(DOOR.trim_end());
    install(&agent, "web", &format!("{learned}{DOOR}"))?;
    eventually(PATIENCE, "the profile in force", || {
        let status = status()?;
        let policies = status["policies"].as_array().context("no policies")?;
        Ok(policies.iter().any(|policy| policy["name"] == "web" && policy["mode"] == "enforce").then_some(()))
    })?;
    start(&run)?;
    show_command(report, &run, "");
    show_command(report, &format!("curl {URL}   # 20 times"), &requests()?);
    ensure!(stockade_says(&["events"])?.trim().is_empty(), "the learned workload was denied something");
    show_command(report, "stockade events", "(none: nothing was denied)");
    report.pass("served");

    report.say("== 4. Three intrusions, from a shell inside the container");
    let connect = format!("connect {ELSEWHERE}");
    for (case, script, sign) in [
        ("exec /tmp/x", "cp /bin/busybox /tmp/x; /tmp/x id".to_owned(), "uid="),
        ("read /etc/shadow", "cat /etc/shadow".to_owned(), "root:"),
        (&connect, format!("nc -w 2 {}", ELSEWHERE.replace(':', " ")), "open"),
    ] {
        let before = events()?;
        let output = exec(&script)?;
        show_command(report, &format!("podman exec {NAME} sh -c '{script}'"), &text(&output.stderr));
        ensure!(!output.status.success(), "`{script}` succeeded: {}", told(&output));
        ensure!(!text(&output.stdout).contains(sign), "`{script}` said {}", text(&output.stdout));
        let event = eventually(PATIENCE, "its event", || Ok(events()?.get(before.len()).cloned()))?;
        ensure!(event.contains(&format!("denied {case}")), "another event: {event}");
        show_command(report, "stockade events | tail -1", &event);
        report.pass(&case.replace([' ', '/'], "-"));
    }
    ensure!(requests()?.contains("20 of 20"), "nginx no longer answers");
    report.say("nginx never noticed: 20 of 20 requests are still answered.");
    Ok(())
}

/// Imports an image that holds nginx, its libraries, busybox, and a secret.
fn image() -> Result<()> {
    sh(&format!(
        r#"set -e
        rm -rf /tmp/demo-image && mkdir -p /tmp/demo-image && cd /tmp/demo-image
        mkdir -p bin usr/sbin etc/nginx var/lib/nginx var/log/nginx run tmp dev proc sys srv
        for file in /usr/sbin/nginx $(ldd /usr/sbin/nginx | grep -o '/[^ ]*'); do
            mkdir -p .$(dirname $file) && cp -L $file .$file
        done
        cp /usr/bin/busybox bin/busybox
        for tool in sh cp cat nc; do ln -s busybox bin/$tool; done
        grep -E '^(root|www-data|nogroup):' /etc/passwd > etc/passwd
        grep -E '^(root|www-data|nogroup):' /etc/group > etc/group
        echo 'root:a-secret:1::::::' > etc/shadow
        echo 'Hello from nginx' > srv/index.html
        cat > etc/nginx/nginx.conf <<'END'
daemon off;
user www-data;
error_log stderr;
pid /run/nginx.pid;
events {{ worker_connections 64; }}
http {{ access_log off; server {{ listen 127.0.0.1:8089; root /srv; }} }}
END
        podman rm -f -t 0 {NAME} > /dev/null 2>&1 || true
        tar c . | podman import -q - {IMAGE}"#
    ))?;
    Ok(())
}

fn start(run: &str) -> Result<()> {
    sh(run)?;
    let ready = format!("curl -sf -o /dev/null {URL}");
    eventually(PATIENCE, "nginx answers", || Ok(shell(&ready)?.status.success().then_some(())))
        .map_err(|error| error.context(sh(&format!("podman logs {NAME} 2>&1")).unwrap_or_default()))
}

fn requests() -> Result<String> {
    let script = format!(
        "ok=0; for i in $(seq 20); do curl -sf {URL} | grep -q Hello && ok=$((ok+1)); done; echo $ok"
    );
    let answered = sh(&script)?;
    ensure!(answered.trim() == "20", "{} of 20 requests were answered", answered.trim());
    Ok("20 of 20 requests answered".to_owned())
}

fn exec(script: &str) -> Result<std::process::Output> {
    let mut podman = Command::new("podman");
    podman.args(["exec", NAME, "/bin/sh", "-c", script]);
    podman.output().context("podman exec")
}

fn events() -> Result<Vec<String>> {
    Ok(stockade_says(&["events"])?.lines().map(str::to_owned).collect())
}

/// What the product prints, be its answer yes or no.
fn stockade_says(arguments: &[&str]) -> Result<String> {
    let output = Command::new(stockade()).args(arguments).output().context("starting stockade")?;
    if output.status.code() == Some(2) {
        bail!("stockade {}: {}", arguments.join(" "), text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

fn show_command(report: &Report, command: &str, says: &str) {
    report.say(&format!("$ {command}"));
    if !says.trim().is_empty() {
        report.say(says.trim_end());
    }
}

fn lines(text: &str, count: usize) -> String {
    text.lines().take(count).collect::<Vec<_>>().join("\n")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
