//! The servers that are learned and enforced.

use super::batch::BATCH;
use super::server::Server;
use super::web::WEB;

pub(super) const ALL: [Server; 5] = [NGINX, REDIS, POSTGRES, WEB, BATCH];

pub(super) const NGINX: Server = Server {
    name: "nginx",
    options: "",
    command: "/usr/sbin/nginx -g 'daemon off;'",
    setup: "mkdir -p $ROOT/var/www/html && echo one > $ROOT/var/www/html/index.html",
    shipped: include_str!("../../../../profiles/nginx.yaml"),
    ready: "curl -sf -o /dev/null http://127.0.0.1/",
    learned: "
        for i in 1 2 3; do curl -sf http://127.0.0.1/ > /dev/null; done
        curl -s -o /dev/null http://127.0.0.1/missing",
    enforced: "
        for i in $(seq 30); do curl -sf http://127.0.0.1/ http://127.0.0.1/ > /dev/null; done
        curl -sf -I http://127.0.0.1/index.html | grep -q '200 OK'
        curl -sf -r 0-1 http://127.0.0.1/ | grep -q on
        curl -s -X POST -d a=b http://127.0.0.1/ | grep -q 405
        curl -s --compressed http://127.0.0.1/elsewhere | grep -q 404",
};

const REDIS: Server = Server {
    name: "redis",
    options: "--user redis",
    command: "/usr/bin/redis-server --port 6379 --dir /var/lib/redis --save 900 1",
    setup: "",
    shipped: include_str!("../../../../profiles/redis.yaml"),
    ready: "redis-cli ping | grep -q PONG",
    learned: "
        redis-cli set a 1 | grep -q OK
        redis-cli incr a | grep -q 2
        redis-cli bgsave
        for i in $(seq 100); do redis-cli info persistence | grep -q rdb_bgsave_in_progress:0 && break; done",
    enforced: "
        for i in $(seq 20); do redis-cli rpush list $i > /dev/null; done
        redis-cli lrange list 0 -1 | tail -1 | grep -q 20
        redis-cli hset h f v | grep -q 1
        redis-cli eval 'return redis.call(\"get\", \"a\")' 0
        redis-cli save | grep -q OK
        redis-cli bgsave
        for i in $(seq 100); do redis-cli info persistence | grep -q rdb_bgsave_in_progress:0 && break; done
        redis-cli info persistence | grep -q rdb_last_bgsave_status:ok",
};

const POSTGRES: Server = Server {
    name: "postgres",
    options: "--user postgres",
    command: "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c \
              config_file=/etc/postgresql/15/main/postgresql.conf -c ssl=off",
    setup: "
        mkdir -p $ROOT/etc/postgresql/15/main
        echo 'host all all 127.0.0.1/32 trust' > $ROOT/etc/postgresql/15/main/pg_hba.conf",
    shipped: include_str!("../../../../profiles/postgres.yaml"),
    ready: "psql -h 127.0.0.1 -U postgres -Atc 'select 1' | grep -q 1",
    learned: "
        export PAGER=cat
        psql -h 127.0.0.1 -U postgres -Atq <<'SQL'
            drop table if exists one;
            create table one (id serial primary key, name text);
            insert into one (name) select 'n' || g from generate_series(1, 1000) g;
            select count(*) from one where name like 'n1%';
            create index on one (name);
            checkpoint;
            drop table one;
SQL",
    enforced: "
        export PAGER=cat
        psql -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres -Atq <<'SQL'
            create table two (id serial primary key, name text, at timestamptz default now());
            create table three (k int, v text);
            insert into two (name) select md5(g::text) from generate_series(1, 5000) g;
            insert into three select id, name from two;
            select count(*) from two join three on k = id where v < '8';
            update two set name = upper(name) where id % 7 = 0;
            delete from three where k % 3 = 0;
            create index on three (v);
            vacuum analyze two;
            checkpoint;
            drop table two;
SQL",
};
