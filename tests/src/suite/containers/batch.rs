//! A job that a container starts every few seconds: a script and the small tools that scripts use.

use super::server::Server;

const SETUP: &str = concat!(
    "mkdir -p $ROOT/data/in $ROOT/data/out $ROOT/data/log $ROOT/srv/batch
    cat > $ROOT/srv/batch/every <<'SCRIPT'\n",
    include_str!("batch/every.sh"),
    "\nSCRIPT
    cat > $ROOT/srv/batch/job <<'SCRIPT'\n",
    include_str!("batch/job.sh"),
    "\nSCRIPT
    chmod 755 $ROOT/srv/batch/every $ROOT/srv/batch/job
    chown -R nobody: $ROOT/data/out $ROOT/data/log
    echo 2026-11-03,tea,1 > $ROOT/data/in/first.csv"
);

pub(super) const BATCH: Server = Server {
    name: "batch",
    options: "--user nobody",
    command: "/srv/batch/every 2 /srv/batch/job",
    setup: SETUP,
    shipped: include_str!("../../../../profiles/batch.yaml"),
    ready: "podman logs batch | grep -q done",
    // One month, and a file for each shop.
    learned: "
        cd /layers/batch/root/data/in
        shops='amsterdam berlin copenhagen dublin edinburgh florence gothenburg'
        for shop in $shops; do
            for n in $(seq 30); do echo 2026-11-0$((n % 2 + 3)),tea-$shop,$n; done > $shop.csv
        done
        seq -f '2026-11-04,coffee,%.0f' 1500 > hamburg.csv
        until [ -n \"$(find ../out -name 'summary-*' -newer hamburg.csv)\" ]; do sleep 0.5; done",
    // Other shops, months and sizes.
    enforced: "
        cd /layers/batch/root/data
        rm in/*
        seq -f '2027-02-28,milk,%.0f' 4000 > in/the-great-shop-of-the-south.csv
        echo 2028-02-29,bread,7 > in/x.csv
        : > in/nothing.csv
        ran() { podman logs batch | grep -c \"done $1\" || true; }
        for i in $(seq 300); do [ $(ran 4001) -ge 4 ] && break; sleep 0.5; done
        [ $(ran 4001) -ge 4 ]
        zcat out/2027-02-28.csv.gz | wc -l | grep -qx 4000
        zcat out/2028-02-29.csv.gz | grep -qx 2028-02-29,bread,7
        grep -qx '29 bread,7' out/summary-2028-02.txt
        readlink out/latest.txt | grep -qx 'summary-202[78]-02.txt'
        ls out/archive/2027/02 out/archive/2028/02 | grep -q 'T.*.txt'
        ls log/*.log.1.gz
        [ -z \"$(podman logs batch 2>&1 | grep failed)\" ]",
};
