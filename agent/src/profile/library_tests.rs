//! What each rule set of the library must allow, and what it must not.

use std::net::SocketAddr;

use stockade_abi::access;
use stockade_abi::peer;
use stockade_abi::reason::{Mode, Verdict};

use super::{Finding, Kind, Profile, Shelf, library, parse, parse_any};
use crate::compile::{Object, Policy, check, compile};

/// Name, questions to allow, questions to deny.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        "base",
        &[
            "map /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "map /lib64/ld-linux-x86-64.so.2",
            "map /lib/ld-musl-aarch64.so.1",
            "read,map /lib/aarch64-linux-gnu/libc.so.6",
            "read,map /usr/lib64/glibc-hwcaps/x86-64-v3/libz.so.1.2.11",
            "read,map /usr/lib/libz.so.1",
            "read /etc/ld.so.cache",
            "read /etc/passwd",
            "read /usr/lib/locale/C.utf8/LC_CTYPE",
            "read /usr/share/zoneinfo/Europe/Berlin",
            "read,map /usr/lib/x86_64-linux-gnu/gconv/UTF-16.so",
            "read,write /dev/null",
            "append /dev/null",
            "read /dev/urandom",
            "read /proc/self/maps",
            "read /proc/self/fd",
            "read /proc/thread-self/comm",
            "read /proc/sys/kernel/random/boot_id",
            "read /sys/devices/system/cpu",
        ],
        &[
            "exec /usr/bin/dash",
            "read /etc/shadow",
            "write /etc/passwd",
            "write /usr/lib/x86_64-linux-gnu/libc.so.6",
            "map /tmp/x.so",
            "map /usr/lib/x.so/y",
            "map /usr/lib/a/b/x.so",
            "read /usr/lib/libz.some",
            "read /proc/self/environ",
            "read /proc/self/mem",
            "read /proc/1/maps",
            "write /dev/urandom",
            "read /dev/sda",
            "create /dev/null",
            "read /root/.ssh/id_rsa",
            "write /proc/self/comm",
            "connect tcp:127.0.0.1:80",
        ],
    ),
    (
        "dns-client",
        &[
            "read /etc/resolv.conf",
            "read /run/systemd/resolve/stub-resolv.conf",
            "connect udp:127.0.0.11:53",
            "connect tcp:10.96.0.10:53",
            "connect udp:172.31.255.2:53",
            "connect udp:192.168.1.1:53",
            "connect udp:169.254.20.10:53",
            "connect udp:[fd00::10]:53",
            "connect udp:[fe80::1]:53",
            "connect udp:8.8.8.8:0",
            "connect udp:[2001:db8::1]:0",
            "connect unix:/var/run/nscd/socket",
        ],
        &[
            "connect udp:8.8.8.8:53",
            "connect tcp:1.1.1.1:53",
            "connect tcp:8.8.8.8:0",
            "connect udp:172.32.0.1:53",
            "connect tcp:10.96.0.10:443",
            "connect udp:10.96.0.10:5353",
            "connect unix:/run/docker.sock",
            "write /etc/resolv.conf",
            "write /etc/hosts",
        ],
    ),
    (
        "tls-client",
        &[
            "read /etc/ssl/certs",
            "read /etc/ssl/certs/ca-certificates.crt",
            "read /usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt",
            "read /usr/local/share/ca-certificates/own.crt",
            "read /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "read,map /usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so",
        ],
        &[
            "read /etc/ssl/private/key.pem",
            "read /etc/pki/tls/private/key.pem",
            "write /etc/ssl/certs/ca-certificates.crt",
            "create /usr/local/share/ca-certificates/own.crt",
            "connect tcp:10.0.0.1:443",
        ],
    ),
    (
        "shell",
        &[
            "exec /usr/bin/dash",
            "exec /bin/busybox",
            "exec /usr/bin/sed",
            "exec /bin/cat",
            "read,write /dev/tty",
            "read /etc/profile.d",
            "read /usr/share/terminfo/x/xterm",
            "map /lib/ld-musl-x86_64.so.1",
        ],
        &[
            "exec /usr/bin/curl",
            "exec /usr/bin/mount",
            "exec /usr/bin/su",
            "exec /tmp/sh",
            "exec /usr/local/bin/sh",
            "write /etc/profile",
            "read /root/.bashrc",
        ],
    ),
    (
        "python",
        &[
            "exec /usr/bin/python3.11",
            "exec /usr/local/bin/python3.9",
            "exec /usr/bin/python3",
            "read /usr/lib/python3.11/os.py",
            "read /usr/lib/python3/dist-packages/yaml/__init__.py",
            "read /usr/local/lib/python3.12",
            "read,map /usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
            "read,map /usr/local/lib/python3.12/site-packages/numpy.libs/libopenblas.so.0",
            "map /usr/local/lib/libpython3.12.so.1.0",
            "read /etc/passwd",
        ],
        &[
            "exec /usr/bin/python3.111",
            "exec /usr/bin/python2.7",
            "exec /usr/bin/pip3",
            "exec /usr/bin/dash",
            "write,create /usr/lib/python3.11/__pycache__/os.cpython-311.pyc",
            "map /usr/lib/python3.11/os.py",
            "map /tmp/_x.so",
            "read /app/main.py",
        ],
    ),
    (
        "jvm",
        &[
            "exec /usr/lib/jvm/java-17-openjdk-amd64/bin/java",
            "exec /opt/java/openjdk/bin/java",
            "exec /usr/local/openjdk-11/bin/java",
            "exec /opt/java/openjdk/lib/jspawnhelper",
            "read /opt/java/openjdk/lib/modules",
            "read,map /usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so",
            "read,map /usr/lib/jvm/java-17-openjdk-amd64/lib/server/classes.jsa",
            "read /etc/ssl/certs/java/cacerts",
            "read /etc/java-17-openjdk/security/java.security",
            "read /sys/fs/cgroup/memory.max",
            "read /sys/fs/cgroup/kubepods/x/cpu.max",
            "create /tmp/hsperfdata_root",
            "read,write,create,delete /tmp/hsperfdata_root/7",
        ],
        &[
            "exec /usr/lib/jvm/java-17-openjdk-amd64/bin/javac",
            "exec /tmp/java",
            "write /opt/java/openjdk/lib/modules",
            "map /opt/java/openjdk/lib/modules",
            "map /tmp/libnetty.so",
            "write /sys/fs/cgroup/memory.max",
            "create /tmp/x",
            "exec /usr/bin/dash",
        ],
    ),
    (
        "node",
        &[
            "exec /usr/bin/node",
            "exec /usr/local/bin/node",
            "read /usr/local/lib/node_modules/npm/package.json",
            "read /usr/share/nodejs/undici/index.js",
            "read,map /usr/lib/node_modules/x/build/Release/x.node",
            "read /sys/fs/cgroup/cpu.max",
            "read /etc/ssl/openssl.cnf",
            "read,map /usr/lib/x86_64-linux-gnu/libnode.so.115",
        ],
        &[
            "exec /usr/bin/npm",
            "exec /usr/bin/dash",
            "read /app/index.js",
            "write /usr/local/lib/node_modules/npm/package.json",
            "map /tmp/x.node",
            "connect tcp:10.0.0.1:443",
        ],
    ),
    (
        "nginx",
        &[
            "exec /usr/sbin/nginx",
            "read /etc/nginx/nginx.conf",
            "read /usr/share/nginx/html/index.html",
            "read,map /usr/lib/nginx/modules/ngx_stream_module.so",
            "create,append /var/log/nginx/access.log",
            "read,write,create,delete /run/nginx.pid",
            "write,create /run/nginx/nginx.pid",
            "create /var/cache/nginx/client_temp",
            "read,write,create,delete /var/lib/nginx/body/0000000001",
            "read,write,create,delete /var/lib/nginx/tmp/client_body/0000000001",
            "write,create /var/cache/nginx/proxy_temp/1/00/0000000001",
        ],
        &[
            "read /var/www/index.html",
            "write /etc/nginx/nginx.conf",
            "read /etc/ssl/private/key.pem",
            "read /var/log/nginx/access.log",
            "write /var/log/nginx/access.log",
            "delete /var/log/nginx/access.log",
            "exec /usr/bin/dash",
            "exec /var/lib/nginx/body/0000000001",
            "rename /var/lib/nginx/body/0000000001",
            "connect tcp:127.0.0.1:8080",
            "write /var/lib/nginx/x",
        ],
    ),
    (
        "redis",
        &[
            "exec /usr/local/bin/redis-server",
            "exec /usr/bin/redis-check-rdb",
            "read /etc/redis/redis.conf",
            "read /data",
            "read,write,create,rename /data/temp-7.rdb",
            "create,delete /var/lib/redis/dump.rdb",
            "create /data/appendonlydir",
            "write,create /data/appendonlydir/appendonly.aof.1.incr.aof",
            "create,append /var/log/redis/redis-server.log",
            "create,delete /run/redis/redis-server.sock",
            "read /proc/self/smaps",
        ],
        &[
            "write /etc/redis/redis.conf",
            "exec /data/x.so",
            "map /data/x.so",
            "exec /usr/bin/dash",
            "link /data/dump.rdb",
            "attr /data/dump.rdb",
            "create /database/x",
            "write,create /root/.ssh/authorized_keys",
            "write,create /var/spool/cron/crontabs/root",
            "connect tcp:10.0.0.2:6379",
        ],
    ),
    (
        "postgres",
        &[
            "exec /usr/lib/postgresql/15/bin/postgres",
            "exec /usr/local/bin/postgres",
            "read /usr/share/postgresql/15/timezonesets/Default",
            "read,map /usr/lib/postgresql/15/lib/plpgsql.so",
            "read /etc/postgresql/15/main/postgresql.conf",
            "read,write,create,delete,rename /var/lib/postgresql/15/main/base/1/2600",
            "read,attr /var/lib/postgresql/data",
            "read,write,create,delete /dev/shm/PostgreSQL.123",
            "create,delete,attr /run/postgresql/.s.PGSQL.5432",
            "write,create /run/postgresql/.s.PGSQL.5432.lock",
            "connect udp:127.0.0.1:40000",
            "read /etc/ssl/private/ssl-cert-snakeoil.key",
        ],
        &[
            "exec /usr/bin/dash",
            "exec /usr/lib/postgresql/15/bin/initdb",
            "map /var/lib/postgresql/15/main/x.so",
            "exec /var/lib/postgresql/x",
            "write /etc/postgresql/15/main/pg_hba.conf",
            "read /etc/ssl/private/other.key",
            "connect tcp:127.0.0.1:5432",
            "connect udp:10.0.0.1:1",
            "write /dev/shm/x",
        ],
    ),
];

fn including(name: &str) -> (Profile, Policy) {
    let text = format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: a }}\nspec:\n  mode: enforce\n  include: [{name}]\n"
    );
    let parsed = parse("a.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    let warnings = parsed.findings.iter().filter(|finding| finding.problem().weight != super::Weight::Note);
    let lines: Vec<String> = warnings.map(Finding::line).collect();
    assert!(lines.is_empty(), "{name}: {lines:#?}");
    let policy = compile(&parsed.profile, Mode::Enforce).unwrap();
    check(policy.words()).unwrap();
    (parsed.profile, policy)
}

fn allowed(policy: &Policy, question: &str) -> bool {
    let (words, object) = question.split_once(' ').unwrap();
    let access = words.split(',').fold(0, |set, word| set | access::from_word(word).unwrap());
    let encoded;
    let object = if access == access::CONNECT {
        encoded = encode(object);
        Object::Peer(&encoded)
    } else {
        Object::Path(object.as_bytes())
    };
    policy.decide(&object, access, false).verdict == Verdict::Allowed
}

fn encode(text: &str) -> Vec<u8> {
    if let Some(path) = text.strip_prefix("unix:") {
        return [&[peer::UNIX], path.as_bytes()].concat();
    }
    let (protocol, address) = match text.split_once(':').unwrap() {
        ("tcp", address) => (peer::TCP, address),
        ("udp", address) => (peer::UDP, address),
        _ => panic!("{text}"),
    };
    let address: SocketAddr = address.parse().unwrap();
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(v4) => [&[peer::V4, protocol], &v4.ip().octets()[..], &port].concat(),
        SocketAddr::V6(v6) => [&[peer::V6, protocol], &v6.ip().octets()[..], &port].concat(),
    }
}

#[test]
fn each_set_allows_what_it_is_for_and_no_more() {
    assert!(library::names().eq({
        let mut names: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names
    }));
    for (name, allow, deny) in CASES {
        let (_, policy) = including(name);
        let wrong: Vec<&&str> = allow.iter().filter(|question| !allowed(&policy, question)).collect();
        assert!(wrong.is_empty(), "{name} does not allow {wrong:#?}");
        let wrong: Vec<&&str> = deny.iter().filter(|question| allowed(&policy, question)).collect();
        assert!(wrong.is_empty(), "{name} allows {wrong:#?}");
    }
}

#[test]
fn each_set_is_clean_says_what_it_is_for_and_is_in_the_directory() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../profiles/include");
    let shelf = Shelf::read(std::path::Path::new(dir));
    assert!(shelf.names().eq(library::names()));
    for name in library::names() {
        let text = library::text(name).unwrap();
        let parsed =
            parse_any(name, text.as_bytes(), &Shelf::default()).unwrap_or_else(|error| panic!("{error}"));
        let warnings =
            parsed.findings.iter().filter(|finding| finding.problem().weight != super::Weight::Note);
        let lines: Vec<String> = warnings.map(Finding::line).collect();
        assert!(lines.is_empty(), "{lines:#?}");
        assert_eq!((parsed.kind, parsed.profile.name.as_str()), (Kind::RuleSet, name));
        assert!(text.starts_with("# ") && text.lines().count() < 70, "{name}");
    }
}

#[test]
fn all_sets_together_compile() {
    let names: Vec<&str> = library::names().collect();
    let (profile, policy) = including(&names.join(", "));
    assert_eq!(profile.origins.len(), names.len());
    assert!(policy.used_words() < stockade_abi::table::MEDIUM, "{}", policy.used_words());
}
