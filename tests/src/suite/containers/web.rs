//! A web application in Python: gunicorn with two workers, a database in a file, templates, uploads.

use super::server::Server;

/// Its code is compiled like a package's, so that it does not change it when it is first used; an empty file is a
/// database without tables.
const SETUP: &str = concat!(
    "mkdir -p $ROOT/srv/app/templates $ROOT/srv/app/static $ROOT/var/lib/app/uploads $ROOT/var/log/app
    cat > $ROOT/srv/app/app.py <<'PYTHON'\n",
    include_str!("web/app.py"),
    "\nPYTHON
    echo '<h1>$count notes</h1><link rel=stylesheet href=/static/site.css><ul>$rows</ul>' \
        > $ROOT/srv/app/templates/index.html
    echo '<h1>Not here</h1>' > $ROOT/srv/app/templates/missing.html
    echo 'h1 { color: navy }' > $ROOT/srv/app/static/site.css
    head -c 30000 /dev/urandom > $ROOT/srv/app/static/logo.png
    touch $ROOT/var/lib/app/notes.db
    python3 -m compileall -q -s $ROOT $ROOT/srv/app
    chown -R www-data: $ROOT/var/lib/app $ROOT/var/log/app"
);

pub(super) const WEB: Server = Server {
    name: "python-web",
    options: "--user www-data --workdir /srv/app",
    command: "/usr/bin/gunicorn --bind 127.0.0.1:8000 --workers 2 --timeout 120 --graceful-timeout 15 \
              --access-logfile /var/log/app/access.log --error-logfile /var/log/app/error.log app",
    setup: SETUP,
    shipped: include_str!("../../../../profiles/python-web.yaml"),
    ready: "curl -sf -o /dev/null http://127.0.0.1:8000/",
    learned: "
        at=http://127.0.0.1:8000
        curl -sf -d '{\"text\": \"milk\"}' $at/notes | grep -q id
        curl -sf $at/ $at/static/site.css $at/static/logo.png > /dev/null
        curl -sf $at/notes | grep -q milk
        curl -sf $at/report | grep -q milk
        curl -sf -d abc $at/upload | grep -qx 3
        curl -s -o /dev/null $at/missing
        curl -s -d 'no json' $at/notes | grep -q 'Internal Server Error'",
    enforced: "
        at=http://127.0.0.1:8000 logs=/layers/python-web/root/var/log/app
        code() { curl -s -o /dev/null -w '%{http_code}' \"$@\"; }
        for i in $(seq 12); do curl -sf -d \"{\\\"text\\\": \\\"bread $i\\\"}\" $at/notes > /dev/null; done
        curl -sf $at/ | grep -q '12 notes'
        curl -sf \"$at/notes?like=bread%201\" | grep -q 'bread 12'
        curl -sfI $at/static/logo.png | grep -q image/png
        curl -sf $at/report | wc -l | grep -qx 12
        head -c 300000 /dev/zero | curl -sf --data-binary @- $at/upload | grep -qx 300000
        code -X PUT -H 'Transfer-Encoding: chunked' -d x $at/elsewhere | grep -q 404
        code $at/static/../../../etc/shadow --path-as-is | grep -q 404
        code -d '{}' $at/notes | grep -q 500
        exec 3<>/dev/tcp/127.0.0.1/8000
        printf 'NONSENSE\\r\\n\\r\\n' >&3 && grep -q '400 Bad Request' <&3
        curl -sf -X DELETE $at/notes | grep -q 12
        mv $logs/access.log $logs/access.log.1
        podman kill -s USR1 python-web
        for i in $(seq 50); do curl -sf $at/ > /dev/null; grep -q curl $logs/access.log && break; done
        grep -q curl $logs/access.log
        podman kill -s HUP python-web
        for i in $(seq 200); do [ $(grep -c 'Booting worker' $logs/error.log) = 4 ] && break; sleep 0.2; done
        grep -c 'Booting worker' $logs/error.log | grep -qx 4
        curl -sf -d '{\"text\": \"tea\"}' $at/notes | grep -q id
        curl -sf $at/ | grep -q tea",
};
